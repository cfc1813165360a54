//! Certificates of the tests' own making: as little X.509 as a server needs to be known by one.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A certificate for `localhost` that vouches for itself, with its key.
pub(crate) struct Certificate {
    pub(crate) der: Vec<u8>,
    key: Vec<u8>,
}

/// ecdsa-with-SHA256.
const SIGNED: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// An elliptic curve's public key, and the curve P-256.
const CURVE: [&[u8]; 2] =
    [&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01], &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]];
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const OTHER_NAMES: &[u8] = &[0x55, 0x1d, 0x11];

fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut all = vec![tag];
    match u8::try_from(length) {
        Ok(short @ 0..=127) => all.push(short),
        Ok(long) => all.extend([0x81, long]),
        Err(_) => all.extend([0x82, u8::try_from(length >> 8).unwrap(), (length & 0xff) as u8]),
    }
    all.extend(content);
    all
}

fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    value(0x30, &parts.concat())
}

/// Bits, none of them unused.
fn bits(bytes: &[u8]) -> Vec<u8> {
    value(0x03, &[&[0], bytes].concat())
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref()).unwrap();
        let algorithm = sequence(&[value(0x06, SIGNED)]);
        let common_name = sequence(&[value(0x06, COMMON_NAME), value(0x0c, b"localhost")]);
        let name = sequence(&[value(0x31, &common_name)]);
        let public = sequence(&[sequence(&CURVE.map(|id| value(0x06, id))), bits(pair.public_key().as_ref())]);
        let names = sequence(&[value(0x82, b"localhost")]);
        let extension = sequence(&[value(0x06, OTHER_NAMES), value(0x04, &names)]);
        let content = sequence(&[
            value(0xa0, &value(0x02, &[2])),
            value(0x02, &[1]),
            algorithm.clone(),
            name.clone(),
            sequence(&[value(0x18, b"20200101000000Z"), value(0x18, b"21200101000000Z")]),
            name,
            public,
            value(0xa3, &sequence(&[extension])),
        ]);
        let signature = pair.sign(&random, &content).unwrap();
        let der = sequence(&[content, algorithm, bits(signature.as_ref())]);
        Self { der, key: key.as_ref().to_vec() }
    }

    /// As a file holds it.
    pub(crate) fn chain_pem(&self) -> String {
        pem("CERTIFICATE", &self.der)
    }

    /// Its key, as a file holds it.
    pub(crate) fn key_pem(&self) -> String {
        pem("PRIVATE KEY", &self.key)
    }
}
