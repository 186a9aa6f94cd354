//! Trust in a public key: whoever proves to have it is the server.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme};
use sha2::{Digest as _, Sha256};

use crate::options::Pin;

/// Takes a certificate whose public key is one of those pinned, and that names the server. With authorities, it must
/// also be issued by one of them; without, neither its issuer nor its dates matter: the key is what is trusted.
#[derive(Debug)]
pub(super) struct Pinned {
    pins: Vec<Pin>,
    authorities: Option<Arc<dyn ServerCertVerifier>>,
    algorithms: WebPkiSupportedAlgorithms,
}

/// The server's key is none of those pinned. Tells what it is, for whoever knows it to be right.
#[derive(Debug)]
pub(super) struct OtherKey(Pin);

impl fmt::Display for OtherKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = STANDARD.encode(self.0);
        write!(
            f,
            "the server's public key is not the pinned one but sha256//{key}"
        )
    }
}

impl std::error::Error for OtherKey {}

impl Pinned {
    pub(super) fn new(
        pins: Vec<Pin>,
        authorities: Option<Arc<dyn ServerCertVerifier>>,
        provider: &CryptoProvider,
    ) -> Pinned {
        Pinned {
            pins,
            authorities,
            algorithms: provider.signature_verification_algorithms,
        }
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let certificate = ParsedCertificate::try_from(end_entity)?;
        let key: Pin = Sha256::digest(certificate.subject_public_key_info()).into();
        if !self.pins.contains(&key) {
            let other = OtherError(Arc::new(OtherKey(key)));
            return Err(CertificateError::Other(other).into());
        }
        match &self.authorities {
            Some(authorities) => {
                authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            None => {
                verify_server_name(&certificate, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // Never asked: TLS 1.3 is all there is.
        Err(Error::General("TLS 1.2".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
