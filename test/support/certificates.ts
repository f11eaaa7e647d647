/** Certificates for tests, made by openssl. */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/** Where a certificate and its key lie. */
export interface CertificateFiles {
  readonly certificate: string;
  readonly key: string;
}

export interface CertificateSettings {
  /** As openssl takes it: "/CN=alice". */
  readonly subject: string;
  readonly days?: number;
  /** Lines of an extension section. */
  readonly extensions?: readonly string[];
}

/** Makes authorities and certificates in a folder. */
export class CertificateMaker {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** A certificate that vouches for itself, and for others. */
  makeAuthority(name: string, subject = `/CN=${name}`): CertificateFiles {
    const files = this.#filesOf(name);
    const output = ["-keyout", files.key, "-out", files.certificate];
    run(
      "req",
      "-x509",
      "-days",
      "2",
      "-utf8",
      "-subj",
      subject,
      "-addext",
      "subjectAltName=IP:127.0.0.1",
      ...newKey,
      ...output,
    );
    return files;
  }

  makeCertificate(name: string, authority: CertificateFiles, settings: CertificateSettings): CertificateFiles {
    const files = this.#filesOf(name);
    const request = join(this.#folder, `${name}.request`);
    const extensions = join(this.#folder, `${name}.extensions`);
    writeFileSync(extensions, (settings.extensions ?? []).join("\n"));
    run("req", "-new", "-utf8", "-subj", settings.subject, ...newKey, "-keyout", files.key, "-out", request);
    const signer = ["-CA", authority.certificate, "-CAkey", authority.key, "-CAcreateserial"];
    const output = ["-days", String(settings.days ?? 2), "-extfile", extensions, "-out", files.certificate];
    run("x509", "-req", "-in", request, ...signer, ...output);
    return files;
  }

  #filesOf(name: string): CertificateFiles {
    return { certificate: join(this.#folder, `${name}.pem`), key: join(this.#folder, `${name}.key`) };
  }
}

function run(...parameters: readonly string[]): void {
  execFileSync("openssl", parameters, { stdio: ["ignore", "ignore", "pipe"] });
}
