//! TLS 1.3 over any stream, polled. The protocol is rustls's, with ring's cryptography; older versions are not compiled.

#[cfg(not(feature = "tls"))]
mod absent;
#[cfg(feature = "tls")]
mod server;
#[cfg(feature = "tls")]
mod session;

#[cfg(not(feature = "tls"))]
pub use absent::Tls;
#[cfg(feature = "tls")]
pub use rustls::pki_types::ServerName;
#[cfg(feature = "tls")]
pub use rustls::{ClientConfig, ServerConfig};
#[cfg(feature = "tls")]
pub use server::{CertificateError, ServerTls};
#[cfg(feature = "tls")]
pub use session::Tls;
