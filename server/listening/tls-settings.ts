/** What the server's end of TLS is made of. */
import type { TlsOptions } from "node:tls";

export interface TlsSettings {
  /** PEM: the server's own, then those that lead to a root. */
  readonly certificate: Uint8Array;
  /** PEM. */
  readonly key: Uint8Array;
  /** PEM: the authorities whose certificates clients can log in with. Absent: clients are not asked. */
  readonly clientAuthorities?: Uint8Array;
  /** Whether who has no such certificate is turned away before the first request. */
  readonly requiresClientCertificate?: boolean;
  readonly minimumVersion: "1.2" | "1.3";
}

const cipherSuites = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");

/** The settings as Node takes them, for a new server and for `setSecureContext`. */
export function tlsOptions(settings: TlsSettings): TlsOptions {
  const { clientAuthorities } = settings;
  return {
    cert: Buffer.from(settings.certificate),
    key: Buffer.from(settings.key),
    minVersion: `TLSv${settings.minimumVersion}`,
    ciphers: cipherSuites,
    honorCipherOrder: true,
    ...(clientAuthorities === undefined
      ? {}
      : {
          ca: Buffer.from(clientAuthorities),
          requestCert: true,
          rejectUnauthorized: settings.requiresClientCertificate ?? false,
        }),
  };
}
