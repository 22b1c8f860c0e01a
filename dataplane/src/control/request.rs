//! What a table change says beside its body.

use hyper::{HeaderMap, header};

/// The generation that a query names.
///
/// # Errors
/// What is wrong with the query.
pub fn generation(query: Option<&str>) -> Result<Option<u64>, String> {
    let mut wanted = None;
    for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name != "generation" {
            return Err(format!("'{name}' is no parameter here: generation is the only one"));
        }
        if wanted.is_some() {
            return Err("generation is given twice".into());
        }
        let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        match value.parse::<u64>() {
            Ok(number) if digits && number > 0 => wanted = Some(number),
            _ => return Err(format!("generation '{value}' is no whole number from 1 to {}", u64::MAX)),
        }
    }
    Ok(wanted)
}

/// Whether the body is what a bundle may come as.
///
/// # Errors
/// The header that says otherwise, and what it should say.
pub fn media_type(headers: &HeaderMap) -> Result<(), (&'static str, String)> {
    const WANTED: &str = "send the bundle as application/yaml or application/json";
    let value = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    match value(header::CONTENT_ENCODING) {
        Some(coding) if !coding.eq_ignore_ascii_case("identity") => {
            return Err((
                "Content-Encoding",
                format!("'{coding}' is not decoded here: send the bundle as it is"),
            ));
        }
        _ => {}
    }
    let Some(given) = value(header::CONTENT_TYPE) else {
        return Err(("Content-Type", format!("it is missing: {WANTED}")));
    };
    let essence = given.split(';').next().unwrap_or_default().trim();
    if ["application/yaml", "application/json"].iter().any(|one| essence.eq_ignore_ascii_case(one)) {
        Ok(())
    } else {
        Err(("Content-Type", format!("'{essence}' is not taken: {WANTED}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_generation() {
        assert_eq!(generation(None), Ok(None));
        assert_eq!(generation(Some("")), Ok(None));
        assert_eq!(generation(Some("generation=7")), Ok(Some(7)));
        assert_eq!(generation(Some("generation=18446744073709551615")), Ok(Some(u64::MAX)));
        for wrong in [
            "generation",
            "generation=",
            "generation=0",
            "generation=-1",
            "generation=+1",
            "generation=1.5",
            "generation=x",
            "generation=18446744073709551616",
            "generation=1&generation=1",
            "generations=1",
            "generation=1&force",
        ] {
            assert!(generation(Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn takes_yaml_and_json() {
        let with = |pairs: &[(header::HeaderName, &'static str)]| {
            media_type(&pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect())
        };
        for fine in ["application/yaml", "application/json", "Application/YAML; charset=utf-8"] {
            assert_eq!(with(&[(header::CONTENT_TYPE, fine)]), Ok(()), "{fine}");
        }
        for wrong in ["text/plain", "application/x-www-form-urlencoded", "application/yamlish", ""] {
            let (field, reason) = with(&[(header::CONTENT_TYPE, wrong)]).unwrap_err();
            assert_eq!(field, "Content-Type");
            assert!(reason.contains("application/yaml") && reason.contains("application/json"), "{reason}");
        }
        assert_eq!(with(&[]).unwrap_err().0, "Content-Type");
        let coded = [(header::CONTENT_TYPE, "application/json"), (header::CONTENT_ENCODING, "gzip")];
        assert_eq!(with(&coded).unwrap_err().0, "Content-Encoding");
    }
}
