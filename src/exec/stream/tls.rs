//! TLS between nodes, as `inet_tls_dist` of OTP speaks it: versions 1.2 and 1.3, and a certificate on both sides that an authority of the
//! file has signed. Who a peer is that has one its certificate says, and the handshake between nodes has to say the same (`connection`).
//!
//! A connection begins from nothing each time: no tickets, no sessions that are taken up again, no early data, which could be replayed.
//! A certificate that has run out is then never good for another connection.
#![forbid(unsafe_code)]

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::ClientCertVerifier as _;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, Error, RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::verifier::{Callee, Caller};
use crate::dist::certificate::{self, Certificate};
use crate::dist::handshake::name::NodeName;

const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

/// Who this node is to others, and whose word it takes for who they are.
pub struct Identity {
    key: Arc<CertifiedKey>,
    authorities: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
    server: Arc<ServerConfig>,
    not_after: u64,
}

/// Nothing of it is shown: it holds the key.
impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(..)")
    }
}

/// What is wrong with the three files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No certificate in PEM is in the file of the certificate.
    NoCertificate,
    /// It cannot be read, or rustls does not take it.
    Certificate(String),
    /// It is for these, and not for the node.
    OtherName(Vec<String>),
    /// It has run out, or does not hold yet: the time in seconds since 1970.
    Expired(u64),
    /// It does not hold yet.
    NotYet(u64),
    /// No private key in PEM without a passphrase is in its file.
    NoKey,
    /// It is the key of another certificate.
    OtherKey,
    /// It is of a kind that is not known.
    Key(String),
    /// No certificate is in the file of the authorities.
    NoAuthority,
    /// One of them, counted from one, cannot be used.
    Authority(usize, String),
    /// One of them has run out.
    AuthorityExpired(usize, u64),
    /// Something else that rustls refuses.
    Other(String),
}

impl Identity {
    /// From the three files, for the node of that name, at that time in seconds since 1970.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(
        certificate: &[u8],
        key: &[u8],
        authorities: &[u8],
        own: &NodeName,
        now: u64,
    ) -> Result<Self, Fault> {
        let provider = Arc::new(ring::default_provider());
        let chain = certificates(certificate).ok_or(Fault::NoCertificate)?;
        let first = chain.first().ok_or(Fault::NoCertificate)?;
        let read =
            certificate::read(first).map_err(|_| Fault::Certificate("it is no certificate".to_owned()))?;
        in_time(&read, now)?;
        let not_after = read.not_after;
        if !read.is_for(own) {
            return Err(Fault::OtherName(read.names));
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| Fault::NoKey)?;
        let key = CertifiedKey::from_der(chain, key, &provider).map_err(|e| match e {
            Error::InconsistentKeys(_) => Fault::OtherKey,
            Error::InvalidCertificate(e) => Fault::Certificate(e.to_string()),
            other => Fault::Key(other.to_string()),
        })?;
        let (key, authorities) = (Arc::new(key), Arc::new(trusted(authorities, now)?));
        let server = server(&key, &authorities, &provider).map_err(|e| Fault::Other(e.to_string()))?;
        Ok(Self { key, authorities, provider, server: Arc::new(server), not_after })
    }

    /// Until when others will believe it, in seconds since 1970.
    #[must_use]
    pub fn not_after(&self) -> u64 {
        self.not_after
    }

    /// What accepts connections.
    #[must_use]
    pub fn server(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.server)
    }

    /// What makes one to a node: no other is believed, whatever host it is on.
    ///
    /// # Errors
    /// What rustls refuses.
    pub fn client(&self, callee: &NodeName) -> Result<ClientConfig, Error> {
        let (authorities, provider) = (Arc::clone(&self.authorities), Arc::clone(&self.provider));
        let verifier = Arc::new(Callee { name: callee.clone(), authorities, provider });
        let config = ClientConfig::builder_with_provider(Arc::clone(&self.provider));
        // rustls calls every verifier but its own dangerous. This one does what that does, with the name of a node for that of a host.
        let config =
            config.with_protocol_versions(&VERSIONS)?.dangerous().with_custom_certificate_verifier(verifier);
        let mut config =
            config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(&self.key))));
        config.resumption = Resumption::disabled();
        config.enable_early_data = false;
        Ok(config)
    }

    /// Whether peers that trust these authorities will believe this certificate.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self, now: u64) -> Result<(), Error> {
        let own = self.key.end_entity_cert()?;
        let verifier = Caller::new(&self.authorities, &self.provider)?;
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now));
        verifier.verify_client_cert(own, self.key.cert.get(1..).unwrap_or_default(), now).map(drop)
    }
}

fn server(
    key: &Arc<CertifiedKey>,
    authorities: &Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
) -> Result<ServerConfig, Error> {
    let config =
        ServerConfig::builder_with_provider(Arc::clone(provider)).with_protocol_versions(&VERSIONS)?;
    let config = config.with_client_cert_verifier(Arc::new(Caller::new(authorities, provider)?));
    let mut config = config.with_cert_resolver(Arc::new(SingleCertAndKey::from(Arc::clone(key))));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(config)
}

/// All certificates of a file; nothing, if there are none or one of them cannot be read.
fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let all = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().ok()?;
    Some(all).filter(|all| !all.is_empty())
}

fn in_time(certificate: &Certificate, now: u64) -> Result<(), Fault> {
    match certificate {
        Certificate { not_after, .. } if now > *not_after => Err(Fault::Expired(*not_after)),
        Certificate { not_before, .. } if now < *not_before => Err(Fault::NotYet(*not_before)),
        _ => Ok(()),
    }
}

/// The authorities. That one has run out nobody asks later: to rustls an authority is a name and a key (RFC 5280, section 6.1.1).
fn trusted(pem: &[u8], now: u64) -> Result<RootCertStore, Fault> {
    let mut store = RootCertStore::empty();
    for (nth, authority) in (1..).zip(certificates(pem).ok_or(Fault::NoAuthority)?) {
        let read = certificate::read(&authority);
        let read = read.map_err(|_| Fault::Authority(nth, "it is no certificate".to_owned()))?;
        if now > read.not_after {
            return Err(Fault::AuthorityExpired(nth, read.not_after));
        }
        store.add(authority).map_err(|e| Fault::Authority(nth, e.to_string()))?;
    }
    Ok(store)
}
