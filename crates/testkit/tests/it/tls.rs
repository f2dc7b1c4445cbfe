//! A server that speaks TLS.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use paceline_testkit::redis::{Certificates, RedisOptions, RedisServer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};

use crate::echo::connect;

/// What a client that trusts `certificates` gets for a PING.
fn ping(server: &RedisServer, certificates: &Certificates) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_file(certificates.authority()).unwrap();
    roots.add(authority).unwrap();
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket: TcpStream = connect(server.address());
    let mut stream = Stream::new(&mut session, &mut socket);
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn a_server_speaks_tls_with_a_certificate_of_its_authority() {
    let certificates = Certificates::make().unwrap();
    let options = RedisOptions::new().tls(&certificates);
    let server = RedisServer::start_with(options).unwrap();
    assert_eq!(server.url(), format!("rediss://{}", server.address()));
    assert_eq!(ping(&server, &certificates).unwrap(), "+PONG\r\n");
    let others = Certificates::make().unwrap();
    let error = ping(&server, &others).unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");
    assert_eq!(server.command(&["PING"]).unwrap().text(), "PONG");
}
