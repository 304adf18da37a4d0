import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from "node:crypto";

/** What may be made wrong in what an authenticator and a browser say. */
export interface Tweaks {
  readonly type?: string;
  readonly challenge?: string;
  readonly origin?: string;
  readonly rpId?: string;
  /** Flags of the authenticator data: user present 1, user verified 4, backup eligible 8, backed up 16. */
  readonly flags?: number;
  readonly counter?: number;
  /** Signs other client data than it sends. */
  readonly otherClientData?: boolean;
  readonly key?: KeyObject;
  readonly id?: string;
  /** After the authenticator data. */
  readonly trailing?: Buffer;
  readonly crossOrigin?: boolean;
  /** Whom the passkey says it is of. */
  readonly userHandle?: string;
}

const USER_PRESENT = 1;
const USER_VERIFIED = 4;
const BACKUP = 8 + 16;
const ATTESTED = 64;

/**
 * An authenticator in software, for what a real one would refuse to do. It signs as the
 * specification says, except where it is told otherwise.
 */
export class SoftAuthenticator {
  readonly #keys = generateKeyPairSync("ec", { namedCurve: "P-256" });
  readonly #origin: string;
  readonly id = randomBytes(32).toString("base64url");
  counter = 0;

  /** @param origin where its browser is */
  constructor(origin: string) {
    this.#origin = origin;
  }

  /** Makes a passkey, as `navigator.credentials.create` would answer. */
  create(challenge: string, tweaks: Tweaks = {}): string {
    const { x, y } = this.#keys.publicKey.export({ format: "jwk" });
    const coseKey = Buffer.concat([
      Buffer.from([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]),
      Buffer.from(x!, "base64url"),
      Buffer.from([0x22, 0x58, 0x20]),
      Buffer.from(y!, "base64url"),
    ]);
    const id = Buffer.from(tweaks.id ?? this.id, "base64url");
    const authData = Buffer.concat([
      this.#head(tweaks, ATTESTED),
      Buffer.alloc(16),
      Buffer.from([id.length >> 8, id.length & 0xff]),
      id,
      coseKey,
      tweaks.trailing ?? Buffer.alloc(0),
    ]);
    const attestationObject = Buffer.concat([
      Buffer.from([0xa3]),
      cborText("fmt"),
      cborText("none"),
      cborText("attStmt"),
      Buffer.from([0xa0]),
      cborText("authData"),
      Buffer.from([0x59, authData.length >> 8, authData.length & 0xff]),
      authData,
    ]);
    return this.#credential(tweaks, {
      clientDataJSON: this.#clientData("webauthn.create", challenge, tweaks).toString("base64url"),
      attestationObject: attestationObject.toString("base64url"),
      transports: ["internal"],
    });
  }

  /** Signs a challenge, as `navigator.credentials.get` would answer. */
  get(challenge: string, tweaks: Tweaks = {}): string {
    this.counter += 1;
    const authData = Buffer.concat([this.#head(tweaks, 0), tweaks.trailing ?? Buffer.alloc(0)]);
    const clientData = this.#clientData("webauthn.get", challenge, tweaks);
    const signed = tweaks.otherClientData === true ? Buffer.from("{}") : clientData;
    const hash = createHash("sha256").update(signed).digest();
    const signature = sign("sha256", Buffer.concat([authData, hash]), tweaks.key ?? this.#keys.privateKey);
    return this.#credential(tweaks, {
      clientDataJSON: clientData.toString("base64url"),
      authenticatorData: authData.toString("base64url"),
      signature: signature.toString("base64url"),
      ...(tweaks.userHandle === undefined ? {} : { userHandle: tweaks.userHandle }),
    });
  }

  #head(tweaks: Tweaks, more: number): Buffer {
    const rpIdHash = createHash("sha256")
      .update(tweaks.rpId ?? new URL(this.#origin).hostname)
      .digest();
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(tweaks.counter ?? this.counter);
    const flags = (tweaks.flags ?? USER_PRESENT | USER_VERIFIED | BACKUP) | more;
    return Buffer.concat([rpIdHash, Buffer.from([flags]), counter]);
  }

  #clientData(type: string, challenge: string, tweaks: Tweaks): Buffer {
    return Buffer.from(
      JSON.stringify({
        type: tweaks.type ?? type,
        challenge: tweaks.challenge ?? challenge,
        origin: tweaks.origin ?? this.#origin,
        crossOrigin: tweaks.crossOrigin ?? false,
      }),
    );
  }

  #credential(tweaks: Tweaks, response: object): string {
    const id = tweaks.id ?? this.id;
    return JSON.stringify({ id, rawId: id, type: "public-key", response, clientExtensionResults: {} });
  }
}

function cborText(text: string): Buffer {
  return Buffer.concat([Buffer.from([0x60 + text.length]), Buffer.from(text)]);
}
