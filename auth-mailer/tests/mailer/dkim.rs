//! DKIM signatures, checked by an independent verifier.

use std::fs;
use std::process::Command;

use auth_core::Mailer as _;
use auth_mailer::{DkimError, DkimKey};

use crate::servers::{Scratch, received, sink};
use crate::service::{mailer, notice, settings};

/// Verifies a mail file with a given key record, without DNS.
const VERIFY: &str = "
import sys, dkim
name, record = sys.argv[1:3]
find = lambda asked, timeout=5: record.encode() if asked.rstrip(b'.') == name.encode() else None
try:
    sys.exit(0 if dkim.DKIM(open(sys.argv[3], 'rb').read()).verify(dnsfunc=find) else 1)
except dkim.DKIMException as error:
    print(error, file=sys.stderr)
    sys.exit(1)
";

fn pem(scratch: &Scratch, options: &[&str]) -> String {
    let file = scratch.file("key.pem");
    let made = Command::new("openssl").arg("genpkey").args(options).arg("-out").arg(&file).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    fs::read_to_string(file).unwrap()
}

fn verifies(scratch: &Scratch, record: &str, mail: &[u8]) -> bool {
    let file = scratch.file("mail.eml");
    fs::write(&file, mail).unwrap();
    let python = sink().get("SINK_PYTHON");
    let arguments = ["-c", VERIFY, "s1._domainkey.dkim.test", record];
    Command::new(python).args(arguments).arg(file).output().unwrap().status.success()
}

fn changed(mail: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(mail.to_vec()).unwrap();
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1).into_bytes()
}

#[tokio::test]
async fn a_verifier_accepts_our_signatures_and_no_changed_mail() {
    let scratch = Scratch::new("dkim");
    let rsa: &[&str] = &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
    for (kind, options) in [("rsa", rsa), ("ed25519", &["-algorithm", "Ed25519"])] {
        let key = DkimKey::new("s1", "dkim.test", &pem(&scratch, options)).unwrap();
        let record = key.record().unwrap();
        assert!(record.starts_with(&format!("v=DKIM1; k={kind}; p=")));
        let mailer = mailer(&settings("STARTTLS", "dkim.test")).dkim(key);
        let to = format!("{kind}@dkim.example.com");
        for name in [None, Some("Zoë  „Ω“ \t."), Some("<b> & ..")] {
            mailer.send(&notice(&to, name)).await.unwrap();
        }
        let messages = received(&to).await;
        assert_eq!(messages.len(), 3);
        for message in messages {
            let mail = &message.bytes;
            assert!(verifies(&scratch, &record, mail), "{kind}");
            for (from, other) in [
                ("Subject: Your", "Subject: Mine"),
                (&*format!("To: {kind}@"), "To: eve@"),
                ("password of your", "passw0rd of your"),
                ("Auto-Submitted: auto-generated", "Auto-Submitted: no"),
            ] {
                assert!(!verifies(&scratch, &record, &changed(mail, from, other)), "{kind}: {other}");
            }
            let second = changed(mail, "Subject: ", "Subject: Win a prize\r\nSubject: ");
            assert!(!verifies(&scratch, &record, &second), "no second header can be added");
        }
    }
}

#[test]
fn a_key_that_is_too_short_or_of_another_kind_is_refused() {
    let scratch = Scratch::new("dkim-keys");
    let short = pem(&scratch, &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"]);
    let refused = DkimKey::new("s1", "dkim.test", &short).unwrap_err();
    assert!(matches!(refused, DkimError::TooShort | DkimError::Key));
    let curve = pem(&scratch, &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    assert_eq!(DkimKey::new("s1", "dkim.test", &curve).unwrap_err(), DkimError::Key);
    let good = DkimKey::new("s1", "dkim.test", &pem(&scratch, &["-algorithm", "Ed25519"])).unwrap();
    assert_eq!(format!("{good:?}"), "DkimKey { selector: \"s1\", domain: \"dkim.test\", .. }");
}
