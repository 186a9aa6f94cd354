//! The server's side of TLS: its certificate and key, read from files and read again while connections go on.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{Ticketer, default_provider};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

/// Why a certificate and its key cannot be used. `Display` names the file; it never shows a key.
#[derive(Debug)]
pub enum CertificateError {
    /// The file cannot be read, or its text is not PEM.
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        why: pem::Error,
    },
    /// The file has no certificate, or one that cannot be.
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// The file has no private key.
    NoKey {
        /// Which.
        path: PathBuf,
    },
    /// The two do not go together, or are of a kind that TLS 1.3 does not know.
    Pair {
        /// Of the certificate.
        certificate: PathBuf,
        /// Of the key.
        key: PathBuf,
        /// Why.
        why: rustls::Error,
    },
    /// The system has no random numbers for the keys of tickets.
    Tickets(rustls::Error),
}

impl fmt::Display for CertificateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CertificateError::File { path, why } => {
                let why = match why {
                    pem::Error::Io(error) => error.to_string(),
                    other => format!("not PEM: {other}"),
                };
                write!(f, "cannot read {}: {why}", path.display())
            }
            CertificateError::NoCertificate { path } => {
                write!(
                    f,
                    "{} has no certificate (\"-----BEGIN CERTIFICATE-----\")",
                    path.display()
                )
            }
            CertificateError::NoKey { path } => {
                write!(
                    f,
                    "{} has no private key (\"-----BEGIN PRIVATE KEY-----\")",
                    path.display()
                )
            }
            CertificateError::Pair {
                certificate,
                key,
                why,
            } => {
                let (certificate, key) = (certificate.display(), key.display());
                match why {
                    rustls::Error::InconsistentKeys(_) => {
                        write!(
                            f,
                            "the key in {key} is not the one of the certificate in {certificate}"
                        )
                    }
                    why => write!(f, "{certificate} with {key} cannot be used: {why}"),
                }
            }
            CertificateError::Tickets(why) => write!(f, "TLS cannot start: {why}"),
        }
    }
}

impl std::error::Error for CertificateError {}

/// What a server needs for TLS. Clones share one certificate: replaced in one, it is replaced in all.
///
/// Whoever listens with TLS takes its configuration from here, so that one reload serves all listeners. TLS 1.3 only;
/// clients are not asked for certificates; no ALPN is asked for, so whatever a client offers is fine. A client that
/// comes back may resume by a ticket, which spares both ends the certificate; the tickets' keys are in memory alone and
/// change every few hours.
#[derive(Clone, Debug)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    current: Arc<Current>,
}

impl ServerTls {
    /// Reads a chain of certificates, the server's own first, and its private key; both PEM.
    pub fn load(certificate_file: &Path, key_file: &Path) -> Result<ServerTls, CertificateError> {
        let provider = Arc::new(default_provider());
        let pair = read(&provider, certificate_file, key_file)?;
        let current = Arc::new(Current(RwLock::new(pair)));
        let resolver = Arc::clone(&current);
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(CertificateError::Tickets)?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        config.ticketer = Ticketer::new().map_err(CertificateError::Tickets)?;
        // One is what a client needs to come back; the default of two costs each login a record more.
        config.send_tls13_tickets = 1;
        Ok(ServerTls {
            config: Arc::new(config),
            current,
        })
    }

    /// Takes over the certificate and key of `new`, which was loaded from the files as they are now. Connections made from
    /// now on see it; those that exist go on. False: the certificate is the one that was in use.
    pub fn replace_with(&self, new: &ServerTls) -> bool {
        let new = new.current.get();
        let mut current = self.current.0.write().unwrap_or_else(PoisonError::into_inner);
        let differs = current.cert != new.cert;
        *current = new;
        differs
    }

    /// For rustls or whatever is built on it.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

/// The certificate in use. Locked for a moment per handshake.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl Current {
    fn get(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get())
    }
}

fn read(
    provider: &CryptoProvider,
    certificate_file: &Path,
    key_file: &Path,
) -> Result<Arc<CertifiedKey>, CertificateError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |why| CertificateError::File { path, why }
    };
    let chain = CertificateDer::pem_file_iter(certificate_file)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unreadable(certificate_file))?;
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate {
            path: certificate_file.to_owned(),
        });
    }
    let key = match PrivateKeyDer::from_pem_file(key_file) {
        Ok(key) => key,
        Err(pem::Error::NoItemsFound) => {
            return Err(CertificateError::NoKey {
                path: key_file.to_owned(),
            });
        }
        Err(why) => return Err(unreadable(key_file)(why)),
    };
    CertifiedKey::from_der(chain, key, provider)
        .map(Arc::new)
        .map_err(|why| CertificateError::Pair {
            certificate: certificate_file.to_owned(),
            key: key_file.to_owned(),
            why,
        })
}
