//! The options of a rule, sorted by what they mean to us.

/// What an option that is no packet or payload keyword of ours means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// For people or for the record; no condition.
    Meta,
    /// Moves the last content into a buffer of the application's protocol.
    BufferModifier,
    /// A condition on something else than the payload: a flow, a rate, a
    /// host, the length of a buffer.
    Elsewhere,
    /// A condition on the payload that may move the cursor.
    MovesCursor,
    /// Puts the contents after it into a buffer.
    StickyBuffer,
}

/// Classifies an option by its name and whether it has a value.
pub(crate) fn classify(name: &str, has_value: bool) -> Foreign {
    match name {
        "classtype" | "reference" | "metadata" | "priority" | "target" | "rawbytes" => Foreign::Meta,
        "http_method" | "http_uri" | "http_raw_uri" | "http_header" | "http_raw_header" | "http_cookie"
        | "http_client_body" | "http_server_body" | "http_user_agent" | "http_host" | "http_raw_host"
        | "http_stat_code" | "http_stat_msg" | "http_encode" => Foreign::BufferModifier,
        "flow"
        | "flowbits"
        | "flowint"
        | "flow.age"
        | "xbits"
        | "hostbits"
        | "threshold"
        | "detection_filter"
        | "tag"
        | "noalert"
        | "urilen"
        | "bsize"
        | "stream_size"
        | "app-layer-protocol"
        | "app-layer-event"
        | "decode-event"
        | "stream-event"
        | "engine-event"
        | "iprep"
        | "iptype"
        | "geoip"
        | "dataset"
        | "datarep"
        | "fileext"
        | "filename"
        | "filemagic"
        | "filemd5"
        | "filesha1"
        | "filesha256"
        | "filesize"
        | "filestore"
        | "requires"
        | "replace"
        | "logto"
        | "l3_proto"
        | "ssl_version"
        | "ssl_state"
        | "dns.opcode"
        | "icmpv6.mtu"
        | "asn1"
        | "prefilter"
        | "tls.version"
        | "tls.subject"
        | "tls.issuerdn"
        | "tls.fingerprint"
        | "tls.store"
        | "ssh.protoversion"
        | "ssh.softwareversion"
        | "config"
        | "bypass" => Foreign::Elsewhere,
        _ if has_value => Foreign::MovesCursor,
        _ => Foreign::StickyBuffer,
    }
}
