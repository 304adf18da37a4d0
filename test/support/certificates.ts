import "reflect-metadata";
import * as x509 from "@peculiar/x509";

const ECDSA = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const HOUR_MS = 3_600_000;

x509.cryptoProvider.set(globalThis.crypto);

export interface TestCertificate {
  readonly key: string;
  readonly cert: string;
}

/** A certificate authority for one test run. */
export interface TestAuthority {
  readonly cert: string;
  issue(host: string): Promise<TestCertificate>;
}

export async function makeAuthority(): Promise<TestAuthority> {
  const authorityKeys = await makeKeys();
  const name = "CN=Stint tests";
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    name,
    ...lifetime(),
    signingAlgorithm: ECDSA,
    keys: authorityKeys,
    extensions: [new x509.BasicConstraintsExtension(true, 0, true)],
  });
  return {
    cert: authority.toString("pem"),
    async issue(host) {
      const keys = await makeKeys();
      const certificate = await x509.X509CertificateGenerator.create({
        subject: `CN=${host}`,
        issuer: name,
        ...lifetime(),
        signingAlgorithm: ECDSA,
        signingKey: authorityKeys.privateKey,
        publicKey: keys.publicKey,
        extensions: [new x509.SubjectAlternativeNameExtension([{ type: "dns", value: host }])],
      });
      const pkcs8 = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
      return { cert: certificate.toString("pem"), key: x509.PemConverter.encode(pkcs8, "PRIVATE KEY") };
    },
  };
}

function makeKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(ECDSA, true, ["sign", "verify"]);
}

function lifetime() {
  return { notBefore: new Date(Date.now() - HOUR_MS), notAfter: new Date(Date.now() + HOUR_MS) };
}
