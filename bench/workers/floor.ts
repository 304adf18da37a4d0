import { DurableObject } from "cloudflare:workers";
import { calculateJwkThumbprint, EmbeddedJWK, jwtVerify, SignJWT } from "jose";

/** The least that any broker of sender-constrained tokens must do: nothing here refuses more than a bad signature. */
interface FloorEnv {
  readonly FLOOR: DurableObjectNamespace<Floor>;
}

const TOKEN_SECONDS = 300;
const key = crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);

export class Floor extends DurableObject<FloorEnv> {
  constructor(ctx: DurableObjectState, env: FloorEnv) {
    super(ctx, env);
    ctx.storage.sql.exec(`
      CREATE TABLE IF NOT EXISTS used (key TEXT PRIMARY KEY, until INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS event (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, type TEXT NOT NULL, data TEXT NOT NULL)`);
  }

  use(jti: string, at: number, data: string): void {
    this.ctx.storage.transactionSync(() => {
      this.ctx.storage.sql.exec("INSERT INTO used (key, until) VALUES (?, ?)", jti, at + TOKEN_SECONDS);
      this.ctx.storage.sql.exec("INSERT INTO event (at, type, data) VALUES (?, ?, ?)", at, "token.minted", data);
    });
  }
}

export default {
  async fetch(request, env) {
    if (request.method !== "POST") return new Response("ready");
    await request.text();
    const now = Math.floor(Date.now() / 1000);
    const { payload, protectedHeader } = await jwtVerify(request.headers.get("dpop") ?? "", EmbeddedJWK, {
      typ: "dpop+jwt",
    });
    const jkt = await calculateJwkThumbprint(protectedHeader.jwk ?? {});
    const jti = crypto.randomUUID();
    await env.FLOOR.getByName("floor").use(String(payload.jti), now, JSON.stringify({ jti, jkt }));
    const token = await new SignJWT({ jti, cnf: { jkt }, sub: "floor" })
      .setProtectedHeader({ alg: "ES256", typ: "at+jwt" })
      .setIssuedAt(now)
      .setExpirationTime(now + TOKEN_SECONDS)
      .sign(((await key) as CryptoKeyPair).privateKey);
    return Response.json({ access_token: token, token_type: "DPoP", expires_in: TOKEN_SECONDS });
  },
} satisfies ExportedHandler<FloorEnv>;
