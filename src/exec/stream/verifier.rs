//! Whose certificate is believed: one that an authority of the file has signed, itself or by a few others. How many others a stranger may send is
//! bounded before any of them is looked at: each step of the way to an authority reads all of them again, and there are 200,000 steps before
//! the library gives up, so that a single message of 62 KB with nothing true in it took three seconds.
#![forbid(unsafe_code)]

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
};

use crate::dist::certificate;
use crate::dist::handshake::name::NodeName;
use crate::limits::TLS_INTERMEDIATES_MAX;

fn few(intermediates: &[CertificateDer<'_>]) -> Result<(), Error> {
    if intermediates.len() > TLS_INTERMEDIATES_MAX {
        return Err(CertificateError::ApplicationVerificationFailure.into());
    }
    Ok(())
}

/// Verifies a peer that comes. One without a certificate gets no further.
#[derive(Debug)]
pub struct Caller(Arc<dyn ClientCertVerifier>);

impl Caller {
    /// One that these authorities have signed.
    ///
    /// # Errors
    /// What rustls refuses.
    pub fn new(authorities: &Arc<RootCertStore>, provider: &Arc<CryptoProvider>) -> Result<Self, Error> {
        let builder =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(authorities), Arc::clone(provider));
        builder.build().map(Self).map_err(|e| Error::General(e.to_string()))
    }
}

impl ClientCertVerifier for Caller {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        few(intermediates)?;
        self.0.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// Verifies a node that is called: an authority has signed its certificate, and it is that node's.
#[derive(Debug)]
pub struct Callee {
    /// The node.
    pub name: NodeName,
    /// Who may have signed.
    pub authorities: Arc<RootCertStore>,
    /// What verifies signatures.
    pub provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Callee {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        few(intermediates)?;
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.authorities,
            intermediates,
            now,
            algorithms,
        )?;
        match certificate::read(end_entity) {
            Ok(certificate) if certificate.is_for(&self.name) => Ok(ServerCertVerified::assertion()),
            _ => Err(CertificateError::NotValidForName.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
