//! Certificates for tests: an authority of one test, and what it issues. Feature `testing`; never in a product.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PublicKeyData as _, date_time_ymd,
};
use rustls::crypto::ring::default_provider;
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;

use crate::tls::ServerTls;

/// An authority that nobody else knows. Its files are removed with it.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
    folder: TempDir,
}

/// A certificate with its key, in files of its authority.
pub struct Issued {
    /// The certificate, PEM.
    pub certificate_file: PathBuf,
    /// Its key, PEM.
    pub key_file: PathBuf,
    /// The public key as a certificate has it (SPKI, DER).
    pub public_key: Vec<u8>,
}

impl Issued {
    /// A server with it.
    #[must_use]
    pub fn server(&self) -> ServerTls {
        ServerTls::load(&self.certificate_file, &self.key_file).expect("what was just written is right")
    }
}

impl Default for Authority {
    fn default() -> Authority {
        Authority::new()
    }
}

impl Authority {
    /// A new one.
    #[must_use]
    pub fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).expect("no name is no wrong name");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("the system has random numbers");
        // Two authorities of one name would be told apart by their signatures alone.
        let name = format!("a test's authority {:x?}", key.public_key_raw().get(1..9));
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).expect("it can be signed");
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).expect("a file");
        Authority {
            issuer: Issuer::new(params, key),
            certificate,
            folder,
        }
    }

    /// The same, whose files stay until somebody clears the temporary folder: for a `static` of a test.
    #[must_use]
    pub fn leak(mut self) -> Authority {
        self.folder.disable_cleanup(true);
        self
    }

    /// Its own certificate, PEM.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A certificate for these host names and addresses, valid for long.
    #[must_use]
    pub fn issue(&self, names: &[&str]) -> Issued {
        self.issue_until(names, 4096)
    }

    /// One that was valid until the beginning of that year.
    #[must_use]
    pub fn issue_until(&self, names: &[&str], year: i32) -> Issued {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names of a test are right");
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("the system has random numbers");
        let certificate = params.signed_by(&key, &self.issuer).expect("it can be signed");
        let folder = tempfile::tempdir_in(self.folder.path()).expect("a folder").keep();
        let issued = Issued {
            certificate_file: folder.join("server.pem"),
            key_file: folder.join("server.key"),
            public_key: key.subject_public_key_info(),
        };
        std::fs::write(&issued.certificate_file, certificate.pem()).expect("a file");
        std::fs::write(&issued.key_file, key.serialize_pem()).expect("a file");
        issued
    }

    /// A client that trusts this authority alone.
    #[must_use]
    pub fn client(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).expect("a certificate");
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring knows TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }
}
