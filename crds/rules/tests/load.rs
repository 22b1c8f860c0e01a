//! What becomes of rules when they are loaded.

mod common;

use common::{rules, sids, udp};
use hummingbird_rules::{LoadError, Options, Source, Unsupported, Variables, load};

const MIXED: &str = r#"
alert udp any any -> any any (msg:"exact"; content:"exact"; sid:1;)
alert udp any any -> any any (msg:"flow"; flow:to_server; content:"flow"; offset:2; sid:2;)
alert http any any -> any any (msg:"buffer"; content:"GET"; http_method; content:"/x"; http_uri; depth:2; sid:3;)
alert dns any any -> any any (dns.query; content:"name"; startswith; sid:4;)
alert udp any any -> any any (flow:to_server; content:!"absent"; sid:5;)
pass udp any any -> any any (flow:to_server; content:"pass"; sid:6;)
alert ipv6 any any -> any any (content:"six"; sid:7;)
alert udp any any -> any any (content:"a|0"; sid:8;)
alert udp any any -> any any (content:"lead"; pcre:"/x/"; content:"after"; distance:4; content:"near"; within:9; sid:9;)
# alert udp any any -> any any (content:"comment"; sid:10;)
"#;

#[test]
fn skip_keeps_what_is_exact_and_counts_the_rest_by_option() {
    let (set, report) = rules(MIXED, Unsupported::Skip);
    assert_eq!((report.loaded, report.approximate, report.skipped, report.invalid), (1, 0, 8, 1));
    assert_eq!(set.len(), 1);
    assert_eq!(report.by_option["flow"].skipped, 3);
    for option in
        ["protocol http", "http_method", "http_uri", "protocol dns", "dns.query", "protocol ipv6", "pcre"]
    {
        assert_eq!(report.by_option[option].skipped, 1, "{option}");
    }
    assert_eq!(report.warnings.len(), 1);
    assert_eq!(report.warnings[0].to_string(), "test.rules:9: content: a '|' or a backslash is left open");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["by_option"]["flow"]["skipped"], 3);
    assert!(report.to_string().contains("flow                                3"), "{report}");
}

#[test]
fn content_only_weakens_rules_and_marks_them() {
    let (set, report) = rules(MIXED, Unsupported::ContentOnly);
    assert_eq!((report.loaded, report.approximate, report.skipped), (1, 4, 4));
    assert_eq!((report.by_option["flow"].approximate, report.by_option["flow"].skipped), (1, 2));
    let marks: Vec<(u32, bool)> = set.rules().iter().map(|rule| (rule.sid, rule.approximate)).collect();
    assert_eq!(marks, [(1, false), (2, true), (3, true), (4, true), (9, true)]);
    // Places in the payload itself are kept, those in a buffer are not.
    assert_eq!(sids(&set, &udp(b"xxflow")), [2]);
    assert_eq!(sids(&set, &udp(b"flow")), [] as [u32; 0]);
    assert_eq!(sids(&set, &udp(b"a domain name")), [4]);
    // What counts from the pcre's match may be anywhere; what follows that
    // content must follow it.
    assert_eq!(sids(&set, &udp(b"after 12 near lead")), [9]);
    assert_eq!(sids(&set, &udp(b"near after lead")), [] as [u32; 0]);
    // An application's protocol stands for its transport: HTTP is not UDP.
    assert_eq!(sids(&set, &udp(b"GET /x")), [] as [u32; 0]);
}

#[test]
fn pass_rules_silence_a_packet() {
    let (set, _) = rules(
        "alert udp any any -> any any (content:\"attack\"; sid:1;)\n\
         pass udp any any -> any any (content:\"known\"; sid:2;)\n\
         drop udp any any -> any any (dsize:<9; sid:3;)\n",
        Unsupported::Skip,
    );
    assert_eq!(sids(&set, &udp(b"attack")), [1, 3]);
    assert_eq!(sids(&set, &udp(b"known attack")), [] as [u32; 0]);
}

#[test]
fn the_highest_revision_stays() {
    let (set, report) = rules(
        "alert udp any any -> any any (content:\"old\"; sid:1; rev:1;)\n\
         alert udp any any -> any any (content:\"other\"; sid:1; gid:2; rev:1;)\n\
         alert udp any any -> any any (content:\"new\"; sid:1; rev:3;)\n\
         alert udp any any -> any any (content:\"older\"; sid:1; rev:2;)\n",
        Unsupported::Skip,
    );
    assert_eq!((report.loaded, report.skipped, report.duplicates), (2, 2, 2));
    let kept: Vec<(u32, u32)> = set.rules().iter().map(|rule| (rule.gid, rule.rev)).collect();
    assert_eq!(kept, [(2, 1), (1, 3)]);
    let lines: Vec<usize> = report.warnings.iter().map(|warning| warning.line).collect();
    assert_eq!(lines, [1, 4]);
}

#[test]
fn mistakes_name_file_line_and_reason() {
    for (options, reason) in [
        ("sid:1; content:abc;", "the value of content is empty or not in double quotes"),
        ("content:\"abc\";", "no sid"),
        ("sid:x;", "sid: 'x' is no number up to 4294967295"),
        ("sid:1; nocase;", "nocase needs a content before it"),
        ("sid:1; content:\"abc\"; depth:2;", "depth is shorter than the content, so it never matches"),
        ("sid:1; content:\"abc\"; within:2;", "within is shorter than the content, so it never matches"),
        (
            "sid:1; content:\"a\"; offset:1; distance:1;",
            "distance does not go with offset, depth or startswith",
        ),
        ("sid:1; content:\"a\"; distance:1; offset:1;", "offset does not go with distance or within"),
        ("sid:1; content:\"a\"; nocase; nocase;", "nocase is given twice"),
        ("sid:1; content:\"a\"; startswith; offset:1;", "offset does not go with startswith"),
        ("sid:1; content:\"abc\"; fast_pattern:1,3;", "fast_pattern: 1,3 is not a part of the content"),
        (
            "sid:1; content:!\"a\"; depth:1; fast_pattern;",
            "fast_pattern does not go with a negated content that has a place",
        ),
        ("sid:1; isdataat:1,sideways;", "isdataat: 'sideways' is neither relative nor rawbytes"),
        ("sid:1; ip_proto:6;", "ip_proto needs a rule of protocol ip"),
        ("sid:1; http_uri;", "http_uri needs a content before it"),
    ] {
        let text =
            format!("\nalert udp any any -> any any ({options})\nalert udp any any -> any any (sid:9;)");
        let (_, report) = rules(&text, Unsupported::Skip);
        let found: Vec<String> = report.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(found, [format!("test.rules:2: {reason}")]);
    }
    for (header, reason) in [
        ("alert udp $NOWHERE any -> any any", "the variable $NOWHERE is not defined"),
        ("alert udp any 99999 -> any any", "'99999' is no port or range of ports"),
        ("alert gopher any any -> any any", "'gopher' is no protocol of a rule"),
        ("warn udp any any -> any any", "'warn' is no action; it is alert, drop, reject or pass"),
    ] {
        let text = format!("{header} (sid:1;)\nalert udp any any -> any any (sid:9;)");
        let (_, report) = rules(&text, Unsupported::Skip);
        assert_eq!(report.warnings[0].to_string(), format!("test.rules:1: {reason}"));
    }
}

#[test]
fn only_a_load_without_any_usable_rule_fails() {
    let fails = |text: &str| {
        load(&[Source { name: "a.rules", text: text.as_bytes() }], &Options::default())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        fails("# nothing\n"),
        "no usable rule in a.rules: 0 rules loaded, 0 approximate, 0 skipped (0 with mistakes, 0 duplicates)"
    );
    assert!(
        fails("alert tcp any any -> any any (flow:established; content:\"abc\"; sid:1;)")
            .ends_with("'unsupported: ContentOnly' keeps rules by header and contents alone")
    );
    assert!(fails("alert tcp any any").ends_with("first mistake: a.rules:1: no options in parentheses"));
    let mut variables = Variables::default();
    variables.set("HOME_NET", &["$GONE".into()]).unwrap();
    let options = Options { variables, ..Options::default() };
    assert!(matches!(load(&[], &options), Err(LoadError::Variable(_))));
}

#[test]
fn several_files_are_one_set_and_rules_may_span_lines() {
    let sources = [
        Source { name: "a", text: b"alert udp any any -> any any (content:\"one\"; \\\n  sid:1;)\r\n" },
        Source {
            name: "b",
            text: b"alert udp any any -> any any (msg:\"\xff\\;\"; content:\"\xfe\"; sid:2;)",
        },
    ];
    let (set, _) = load(&sources, &Options::default()).unwrap();
    assert_eq!(sids(&set, &udp(b"one\xfe")), [1, 2]);
    assert_eq!(&*set.rules()[1].msg, "\u{fffd};");
}
