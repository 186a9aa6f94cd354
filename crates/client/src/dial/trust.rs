//! TLS to the server: whom to trust, and the handshake that finds out.

use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use presence_protocol::errors::code;
use presence_transport::tls::{ClientConfig, ServerName, Tls};
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{CertificateError, RootCertStore};
use rustls_platform_verifier::Verifier;

use super::NotTrusted;
use super::off_thread::off_thread;
use super::verifier::{OtherKey, Pinned};
use crate::api::CallError;
use crate::options::Options;
use crate::runtime;
use crate::visible::lock;
use crate::world::Stream;

/// Sessions kept to be resumed: a client has one server.
const SESSIONS_MAX: usize = 2;

/// Whom one client trusts.
pub(super) struct Trust {
    name: ServerName<'static>,
    provider: Arc<CryptoProvider>,
    /// `None`: whomever the system trusts.
    given: Option<Arc<dyn ServerCertVerifier>>,
    /// Made for the first connection; keeps what resumes the last session.
    config: Mutex<Option<Arc<ClientConfig>>>,
    verifying: Arc<AtomicUsize>,
}

impl Trust {
    /// Reads the file of authorities, if one is named.
    pub(super) fn new(options: &Options) -> Result<Trust, CallError> {
        let invalid = |text: String| CallError::new(code::INVALID_OPTIONS, text);
        let name = ServerName::try_from(options.host.clone()).map_err(|_| {
            invalid(format!(
                "option \"server\": {} cannot be the name in a certificate",
                options.host
            ))
        })?;
        let provider = Arc::new(default_provider());
        let authorities = options
            .ca_file
            .as_deref()
            .map(|path| authorities(path, &provider))
            .transpose()
            .map_err(|text| invalid(format!("option \"ca_file\": {text}")))?;
        let given = if options.pinned_public_keys.is_empty() {
            authorities
        } else {
            let pinned = Pinned::new(options.pinned_public_keys.clone(), authorities, &provider);
            Some(Arc::new(pinned) as Arc<dyn ServerCertVerifier>)
        };
        Ok(Trust {
            name,
            provider,
            given,
            config: Mutex::new(None),
            verifying: Arc::default(),
        })
    }

    /// Makes `stream` a TLS connection to the server, or says who it is not.
    ///
    /// What the system decides is decided on a thread of its own: it reads files, and on some systems asks others.
    pub(super) async fn handshake(&self, stream: &mut Box<dyn Stream>) -> io::Result<Tls> {
        let config = self.config().await?;
        let mut tls = Tls::client(config, self.name.clone()).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            poll_fn(|cx| tls.poll_receive(stream, cx))
                .await
                .map_err(unanswered)?;
            let processed;
            if self.given.is_some() {
                processed = tls.process();
            } else {
                (tls, processed) = off_thread("tim-verify", &self.verifying, move || {
                    let processed = tls.process();
                    (tls, processed)
                })
                .await?;
            }
            if let Err(error) = processed {
                poll_fn(|cx| {
                    // The server hears why, as far as that goes at once.
                    let _ = tls.poll_flush(stream, cx);
                    Poll::Ready(())
                })
                .await;
                return Err(self.explain(&error));
            }
        }
        Ok(tls)
    }

    async fn config(&self) -> io::Result<Arc<ClientConfig>> {
        if let Some(config) = &*lock(&self.config) {
            return Ok(Arc::clone(config));
        }
        let verifier = match &self.given {
            Some(verifier) => Arc::clone(verifier),
            None => self.system().await?,
        };
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(io::Error::other)?
            .dangerous() // that is where verifiers other than rustls's own go in
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
        let config = Arc::new(config);
        *lock(&self.config) = Some(Arc::clone(&config));
        Ok(config)
    }

    /// The authorities of the system, read once for all clients there are.
    async fn system(&self) -> io::Result<Arc<dyn ServerCertVerifier>> {
        if let Some(verifier) = runtime::system_verifier() {
            return Ok(verifier);
        }
        let provider = Arc::clone(&self.provider);
        let read = off_thread("tim-verify", &self.verifying, move || Verifier::new(provider)).await?;
        match read {
            Ok(verifier) => {
                let verifier = Arc::new(verifier);
                runtime::share_system_verifier(&verifier);
                Ok(verifier)
            }
            Err(error) => {
                let text = format!(
                    "the system's certificate authorities cannot be read ({error}): install them (ca-certificates), or use \
                     option \"ca_file\" or \"pinned_public_key\""
                );
                Err(io::Error::other(NotTrusted(text)))
            }
        }
    }

    fn explain(&self, error: &rustls::Error) -> io::Error {
        let host = self.name.to_str();
        let why = match error {
            rustls::Error::InvalidCertificate(error) => match error {
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    "the server's certificate has expired".to_owned()
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    "the server's certificate is not valid yet, or this machine's clock is wrong".to_owned()
                }
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    format!("the server's certificate is not for {host}")
                }
                CertificateError::UnknownIssuer => {
                    "the server's certificate is of an authority that is not trusted here; option \"ca_file\" can name it".to_owned()
                }
                CertificateError::Other(other) => match other.0.downcast_ref::<OtherKey>() {
                    Some(other) => other.to_string(),
                    None => format!("the server's certificate is not valid: {error}"),
                },
                error => format!("the server's certificate is not valid: {error}"),
            },
            rustls::Error::NoCertificatesPresented => "the server has no certificate".to_owned(),
            rustls::Error::InvalidMessage(_) => {
                return io::Error::other("what answers does not speak TLS");
            }
            error => return io::Error::other(format!("no TLS connection: {error}")),
        };
        io::Error::other(NotTrusted(why))
    }
}

/// A server without TLS takes the first message for a mistake, and hangs up.
fn unanswered(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            io::Error::new(error.kind(), format!("{error}; does it speak TLS on this port?"))
        }
        _ => error,
    }
}

fn authorities(path: &Path, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ServerCertVerifier>, String> {
    let shown = path.display();
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| match error {
            pem::Error::Io(error) => format!("cannot read {shown}: {error}"),
            error => format!("{shown} is not PEM: {error}"),
        })?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots
            .add(certificate)
            .map_err(|error| format!("a certificate in {shown} cannot be an authority's: {error}"))?;
    }
    if roots.is_empty() {
        return Err(format!(
            "{shown} has no certificate (\"-----BEGIN CERTIFICATE-----\")"
        ));
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    verifier
        .map(|verifier| verifier as Arc<dyn ServerCertVerifier>)
        .map_err(|error| format!("{shown} cannot be used: {error}"))
}
