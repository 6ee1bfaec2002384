//! The certificate of the gateway's own authority, for people to install.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::{ApiError, App};

/// The certificate (PEM), to be installed on phones and computers that are to trust the gateway. It is public: every
/// connection with TLS shows what it has signed.
pub(super) async fn pem(State(app): State<Arc<App>>) -> Result<impl IntoResponse, ApiError> {
    Ok(([(CONTENT_TYPE, "application/x-x509-ca-cert")], own(&app)?.to_owned()))
}

/// The same as a configuration profile for iPhone, iPad and Mac (Apple, "Configuration Profile Reference": the payload
/// `com.apple.security.root`), which those install with a tap. It is not signed, so that the system says "not verified".
pub(super) async fn profile(State(app): State<Arc<App>>) -> Result<impl IntoResponse, ApiError> {
    let text = profile_of(own(&app)?, &app.live.gateway_name());
    // Not as an attachment: Safari would put it among the downloads and not offer to install it.
    Ok(([(CONTENT_TYPE, "application/x-apple-aspen-config")], text))
}

fn own(app: &App) -> Result<&str, ApiError> {
    app.ca_certificate.as_deref().ok_or_else(|| {
        let message =
            "This gateway has no authority of its own: its certificate comes from elsewhere, or it has none.";
        ApiError::new(StatusCode::NOT_FOUND, "no_authority", message)
    })
}

/// The lines between the first `BEGIN` and `END` are the certificate, in base64 as the profile wants it.
fn data_of(pem: &str) -> String {
    let lines = pem.lines().skip_while(|line| !line.starts_with("-----BEGIN")).skip(1);
    lines.take_while(|line| !line.starts_with("-----END")).map(str::trim).collect()
}

/// The SHA-256 of a certificate as phones and `openssl x509 -fingerprint` show it; nothing for what is none.
pub(super) fn fingerprint(pem: &str) -> Option<String> {
    let der = STANDARD.decode(data_of(pem)).ok().filter(|der| !der.is_empty())?;
    let pairs: Vec<String> = Sha256::digest(&der).iter().map(|byte| format!("{byte:02X}")).collect();
    Some(pairs.join(":"))
}

fn profile_of(pem: &str, gateway: &str) -> String {
    let data = data_of(pem);
    // The same certificate always gives the same profile, so that installing it again replaces it.
    let digest = Sha256::digest(data.as_bytes());
    let (outer, inner) = digest.split_at(16);
    let name = escaped(gateway);
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>PayloadType</key><string>Configuration</string>
  <key>PayloadVersion</key><integer>1</integer>
  <key>PayloadIdentifier</key><string>gatehouse.authority.{outer}</string>
  <key>PayloadUUID</key><string>{outer}</string>
  <key>PayloadDisplayName</key><string>{name} (Gatehouse)</string>
  <key>PayloadDescription</key><string>Lets this device trust the gateway {name}.</string>
  <key>PayloadContent</key>
  <array>
    <dict>
      <key>PayloadType</key><string>com.apple.security.root</string>
      <key>PayloadVersion</key><integer>1</integer>
      <key>PayloadIdentifier</key><string>gatehouse.authority.{outer}.certificate</string>
      <key>PayloadUUID</key><string>{inner}</string>
      <key>PayloadDisplayName</key><string>{name} (Gatehouse)</string>
      <key>PayloadCertificateFileName</key><string>gatehouse.crt</string>
      <key>PayloadContent</key>
      <data>{data}</data>
    </dict>
  </array>
</dict>
</plist>
"#,
        outer = uuid(outer),
        inner = uuid(inner),
    )
}

/// Sixteen bytes as a UUID of version 8, which is free to be made of anything (RFC 9562 section 5.8).
fn uuid(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (place, byte) in bytes.iter().enumerate() {
        let byte = match place {
            6 => byte & 0x0F | 0x80,
            8 => byte & 0x3F | 0x80,
            _ => *byte,
        };
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02X}");
    }
    text
}

/// A text within XML. Characters that XML 1.0 cannot hold are left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_holds_the_certificate_and_is_always_the_same() {
        let pem = "# casa\n-----BEGIN CERTIFICATE-----\nQUJD\nREVG\n-----END CERTIFICATE-----\n";
        let profile = profile_of(pem, "Casa <&> \u{7}2");
        assert!(profile.contains("<data>QUJDREVG</data>"), "{profile}");
        assert!(profile.contains("<string>Casa &lt;&amp;&gt; 2 (Gatehouse)</string>"), "{profile}");
        assert_eq!(profile, profile_of(&pem.replace('\n', "\r\n"), "Casa <&> 2"));
        // The digest of "ABCDEF".
        let digest = fingerprint(pem).unwrap();
        assert!(digest.starts_with("E9:C0:F8:B5:75:CB:FC:B4:"), "{digest}");
        assert!(digest.len() == 95 && fingerprint("-----BEGIN CERTIFICATE-----\n").is_none());
        let id = uuid(&[0xFF; 16]);
        assert_eq!(id, "FFFFFFFF-FFFF-8FFF-BFFF-FFFFFFFFFFFF");
    }
}
