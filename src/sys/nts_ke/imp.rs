//! The key establishment itself, on rustls with ring.

use super::Certificate;
use super::Establishment;
use super::Stage;
use crate::proto::nts_ke;
use crate::sys::clock;
use crate::sys::files;
use crate::sys::host;
use rustls::ClientConfig;
use rustls::ClientConnection;
use rustls::DigitallySignedStruct;
use rustls::RootCertStore;
use rustls::SignatureScheme;
use rustls::StreamOwned;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::danger::ServerCertVerified;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::ServerName;
use rustls::pki_types::UnixTime;
use rustls::pki_types::pem::PemObject;
use std::io;
use std::io::Read;
use std::io::Write;
use std::net::SocketAddr;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::time::Duration;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Where distributions keep their lists of authorities.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// The lists have some 200 kB.
const BUNDLE_LIMIT: u64 = 8 << 20;

pub(super) fn probe(name: &str, address: SocketAddr, timeout_s: f64) -> Establishment {
    let mut found = Establishment::default();
    let limit = Duration::from_secs_f64(timeout_s.clamp(0.05, 60.0));
    let stream = match TcpStream::connect_timeout(&address, limit) {
        Ok(stream) => stream,
        Err(e) => {
            found.stage = match e.kind() {
                io::ErrorKind::ConnectionRefused => Stage::Refused,
                io::ErrorKind::TimedOut => Stage::Silent,
                _ => Stage::Unreachable,
            };
            found.problem = Some(words(&e));
            return found;
        }
    };
    found.stage = Stage::Connected;
    let _ = stream.set_read_timeout(Some(limit));
    let _ = stream.set_write_timeout(Some(limit));
    if let Err(problem) = talk(name, stream, &mut found) {
        found.problem = Some(problem);
    }
    found
}

fn talk(name: &str, stream: TcpStream, found: &mut Establishment) -> Result<(), String> {
    let bare = name
        .split('%')
        .next()
        .unwrap_or(name)
        .trim_end_matches('.')
        .to_owned();
    let server = ServerName::try_from(bare).map_err(|_| "not a name for TLS".to_owned())?;
    let witness = Arc::new(Witness::new());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&witness.provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|e| e.to_string())?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&witness) as Arc<dyn ServerCertVerifier>)
        .with_no_client_auth();
    config.alpn_protocols = vec![nts_ke::ALPN.to_vec()];
    let connection = ClientConnection::new(Arc::new(config), server).map_err(|e| e.to_string())?;
    let mut tls = StreamOwned::new(connection, stream);
    let handshake = tls.conn.complete_io(&mut tls.sock).map(|_| ());
    found.certificate = witness.certificate();
    handshake.map_err(|e| tls_words(&e))?;
    found.stage = Stage::Tls;
    found.alpn = tls
        .conn
        .alpn_protocol()
        .map(|p| String::from_utf8_lossy(p).into_owned());
    if found.alpn.as_deref().map(str::as_bytes) != Some(nts_ke::ALPN) {
        return Err("it speaks TLS, but not NTS-KE (no ALPN ntske/1)".to_owned());
    }
    tls.write_all(&nts_ke::request())
        .map_err(|e| tls_words(&e))?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let count = match tls.read(&mut buffer) {
            Ok(count) => count,
            // The end of a connection without the farewell of TLS.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => 0,
            Err(e) => return Err(tls_words(&e)),
        };
        bytes.extend(buffer.iter().take(count));
        let response = nts_ke::response(&bytes).map_err(|e| format!("its response: {e}"))?;
        if let Some(response) = response {
            found.stage = Stage::Answered;
            found.response = Some(response);
            return Ok(());
        }
        if count == 0 || bytes.len() > nts_ke::MAX_RESPONSE {
            return Err("it closed the connection before its response was complete".to_owned());
        }
    }
}

fn words(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().to_owned(),
        None if error.kind() == io::ErrorKind::TimedOut => "no answer".to_owned(),
        None => error.to_string(),
    }
}

fn tls_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            "connected, but then it said nothing more".to_owned()
        }
        io::ErrorKind::UnexpectedEof => "it closed the connection during TLS".to_owned(),
        _ => format!("TLS: {}", words(error)),
    }
}

/// A certificate in DER, whether it is trusted, and why not.
type Seen = (Vec<u8>, Option<bool>, Option<String>);

/// Takes every certificate, and notes what the machine's authorities say of it.
#[derive(Debug)]
struct Witness {
    provider: Arc<CryptoProvider>,
    verifier: Option<Arc<WebPkiServerVerifier>>,
    seen: Mutex<Option<Seen>>,
}

impl Witness {
    fn new() -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = roots().and_then(|roots| {
            WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
                .build()
                .ok()
        });
        Self {
            provider,
            verifier,
            seen: Mutex::new(None),
        }
    }

    fn certificate(&self) -> Option<Certificate> {
        let (der, trusted, problem) = self.seen.lock().ok()?.clone()?;
        let mut certificate = read(&der).unwrap_or_default();
        (certificate.trusted, certificate.problem) = (trusted, problem);
        Some(certificate)
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let (seconds, _) = clock::unix();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds.unsigned_abs()));
        let judged = self.verifier.as_ref().map(|verifier| {
            verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp, now)
        });
        let (trusted, problem) = match judged {
            None => (
                None,
                Some("this machine has no list of authorities".to_owned()),
            ),
            Some(Ok(_)) => (Some(true), None),
            Some(Err(e)) => (Some(false), Some(e.to_string())),
        };
        if let Ok(mut seen) = self.seen.lock() {
            *seen = Some((end_entity.to_vec(), trusted, problem));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// The machine's authorities, read once; `None` when it has no list.
fn roots() -> Option<Arc<RootCertStore>> {
    static ROOTS: OnceLock<Option<Arc<RootCertStore>>> = OnceLock::new();
    ROOTS
        .get_or_init(|| {
            let named = host::variable("SSL_CERT_FILE");
            let bundles = named.as_deref().into_iter().chain(BUNDLES.iter().copied());
            let bytes = bundles
                .filter_map(|path| files::read(Path::new(path), BUNDLE_LIMIT).ok())
                .next()?;
            let mut store = RootCertStore::empty();
            let certificates = CertificateDer::pem_slice_iter(&bytes).flatten();
            store.add_parsable_certificates(certificates);
            (!store.is_empty()).then(|| Arc::new(store))
        })
        .clone()
}

fn read(der: &[u8]) -> Option<Certificate> {
    let certificate = x509_cert::Certificate::from_der(der).ok()?.tbs_certificate;
    let seconds = |time: x509_cert::time::Time| {
        i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
    };
    let mut names = Vec::new();
    if let Ok(Some((_, alternative))) = certificate.get::<SubjectAltName>() {
        for name in alternative.0 {
            match name {
                GeneralName::DnsName(name) => names.push(name.to_string()),
                GeneralName::IpAddress(octets) => names.extend(ip(octets.as_bytes())),
                _ => {}
            }
        }
    }
    if names.is_empty() {
        names.push(certificate.subject.to_string());
    }
    Some(Certificate {
        names,
        not_before: seconds(certificate.validity.not_before),
        not_after: seconds(certificate.validity.not_after),
        trusted: None,
        problem: None,
    })
}

fn ip(octets: &[u8]) -> Option<String> {
    if let Ok(four) = <[u8; 4]>::try_from(octets) {
        return Some(std::net::Ipv4Addr::from(four).to_string());
    }
    let six = <[u8; 16]>::try_from(octets).ok()?;
    Some(std::net::Ipv6Addr::from(six).to_string())
}
