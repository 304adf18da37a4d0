import { Buffer } from "node:buffer";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { credentialForms } from "./credential-forms.ts";
import { EchoTexts, EchoWatch } from "./echo-watch.ts";

const SECRET = "ghs_16C7e42F/292c+6912E7710";
const watchFor = (value: string): EchoWatch => new EchoWatch(new EchoTexts(credentialForms(value)));

/** Sends the chunks through; what came out, and whether it was stopped. */
function through(watch: EchoWatch, chunks: readonly Uint8Array[]): { out: Buffer; stopped: boolean } {
  const out: Uint8Array[] = [];
  for (const chunk of chunks) {
    const free = watch.push(chunk);
    if (free === undefined) return { out: Buffer.concat(out), stopped: true };
    out.push(free);
  }
  const rest = watch.end();
  return { out: Buffer.concat(rest === undefined ? out : [...out, rest]), stopped: rest === undefined };
}

function cutAt(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((to, at) => bytes.slice(places[at]!, to));
}

const perByte = (format: (byte: number) => string) => (secret: string) =>
  Array.from(Buffer.from(secret), format).join("");
const hex = (byte: number, digits = 2) => byte.toString(16).padStart(digits, "0");

/** Each way in which an upstream may write the secret down. */
const FORMS: Readonly<Record<string, (secret: string) => string | Uint8Array>> = {
  plain: (secret) => secret,
  "with its scheme": (secret) => `Authorization: Bearer ${secret}`,
  "in capitals": (secret) => secret.toUpperCase(),
  "percent-encoded where it must be": encodeURIComponent,
  "percent-encoded all over, upper case": perByte((byte) => `%${hex(byte).toUpperCase()}`),
  "percent-encoded all over, lower case": perByte((byte) => `%${hex(byte)}`),
  "percent-encoded twice": (secret) => encodeURIComponent(encodeURIComponent(secret)),
  "JSON-escaped": perByte((byte) => `\\u${hex(byte, 4)}`),
  "JSON-escaped, upper case": perByte((byte) => `\\u${hex(byte, 4).toUpperCase()}`),
  "JSON with escaped slashes": (secret) => JSON.stringify(secret).replaceAll("/", "\\/"),
  "JSON within JSON": (secret) => JSON.stringify(JSON.stringify(JSON.stringify({ secret }))),
  "JavaScript's short escapes": perByte((byte) => `\\x${hex(byte)}`),
  "HTML, decimal": perByte((byte) => `&#${byte};`),
  "HTML, hex": perByte((byte) => `&#x${hex(byte)};`),
  "HTML, padded": perByte((byte) => `&#x0000${hex(byte)};`),
  "every other character escaped": perByte((byte) => (byte % 2 === 0 ? `%${hex(byte)}` : String.fromCharCode(byte))),
  "wrapped lines": (secret) => secret.replaceAll(/.{5}/g, "$&\r\n    "),
  "wrapped lines in JSON": (secret) => secret.replaceAll(/.{5}/g, "$&\\n"),
  hex: (secret) => Buffer.from(secret).toString("hex"),
  "hex, upper case": (secret) => Buffer.from(secret).toString("hex").toUpperCase(),
  base64: (secret) => Buffer.from(secret).toString("base64"),
  "base64, one byte before": (secret) => Buffer.from(`x${secret}`).toString("base64"),
  "base64, two bytes before": (secret) => Buffer.from(`xy${secret}yx`).toString("base64"),
  "base64 in a document": (secret) => Buffer.from(`{"a":"${secret}","b":1}`).toString("base64"),
  base64url: (secret) => Buffer.from(`x?>${secret}`).toString("base64url"),
  "base64, wrapped": (secret) => Buffer.from(`{"key":"${secret}"}`).toString("base64").replaceAll(/.{7}/g, "$&\n"),
  "base64, percent-encoded": (secret) => encodeURIComponent(Buffer.from(secret).toString("base64")),
  "UTF-16, little endian": (secret) => Buffer.from(secret, "utf16le"),
  "UTF-16, big endian": (secret) => Buffer.from(secret, "utf16le").swap16(),
};

describe("EchoWatch (P27)", () => {
  it.each(Object.keys(FORMS))("finds the credential %s, wherever the chunks are cut", (name) => {
    const bytes = Buffer.concat([Buffer.from('{"headers":["'), Buffer.from(FORMS[name]!(SECRET)), Buffer.from('"]}')]);
    for (let cut = 0; cut <= bytes.length; cut += 1)
      expect(through(watchFor(`Bearer ${SECRET}`), cutAt(bytes, [cut])).stopped, `cut at ${cut}`).toBe(true);
    const single = cutAt(
      bytes,
      Array.from(bytes, (_, at) => at),
    );
    expect(through(watchFor(`Bearer ${SECRET}`), single).stopped).toBe(true);
  });

  it("finds any secret in any form, cut anywhere, whatever stands around it", () => {
    const visible = fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code));
    const plain = visible.filter((char) => !'\\%&"'.includes(char));
    const exact = [
      "plain",
      "percent-encoded all over, upper case",
      "JSON-escaped",
      "HTML, hex",
      "hex",
      "base64",
      "base64url",
    ];
    const key = (unit: fc.Arbitrary<string>) => fc.string({ unit, minLength: 8, maxLength: 60 });
    const written = fc.oneof(
      // A secret that itself looks like an escape is found in forms that leave no doubt.
      fc.tuple(key(visible), fc.constantFrom(...exact)),
      fc.tuple(key(plain), fc.constantFrom(...Object.keys(FORMS))),
    );
    fc.assert(
      fc.property(
        written,
        fc.uint8Array({ maxLength: 40 }),
        fc.array(fc.nat(), { maxLength: 6 }),
        ([secret, name], around, cuts) => {
          const bytes = Buffer.concat([around, Buffer.from("\n."), Buffer.from(FORMS[name]!(secret)), around]);
          expect(through(watchFor(secret), cutAt(bytes, cuts)).stopped).toBe(true);
        },
      ),
      { numRuns: 3000 },
    );
  });

  it("changes nothing of what does not hold it, and delays only what may be its beginning", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat(), { maxLength: 8 }), (bytes, cuts) => {
        const { out, stopped } = through(watchFor(SECRET), cutAt(bytes, cuts));
        expect(stopped).toBe(false);
        expect(out.equals(bytes)).toBe(true);
      }),
      { numRuns: 2000 },
    );
    expect(Buffer.from(watchFor(SECRET).push(Buffer.from("data: {}\n\n"))!).toString()).toBe("data: {}\n\n");
    expect(Buffer.from(watchFor(SECRET).push(Buffer.from(`data: ${SECRET.slice(0, 9)}`))!).toString()).toBe("data: ");
  });

  it("lets nothing of the credential out before it stops", () => {
    const bytes = Buffer.from(`${"x".repeat(500)}${SECRET}${"x".repeat(500)}`);
    for (let size = 1; size < 40; size += 1) {
      const cuts = Array.from({ length: bytes.length / size }, (_, at) => at * size);
      expect(through(watchFor(SECRET), cutAt(bytes, cuts)).out.toString()).toMatch(/^x*$/);
    }
  });

  it("finds what Basic packs, and the word that a scheme names", () => {
    const packed = `Basic ${Buffer.from("api:long-password").toString("base64")}`;
    for (const shown of ["api:long-password", "long-password", packed.slice(6), packed])
      expect(watchFor(packed).isIn(`<${shown}>`), shown).toBe(true);
    expect(watchFor('Token token="abcdefghijk"').isIn("abcdefghijk")).toBe(true);
  });

  it("is fooled neither by a gap without end nor by an escape without end, and holds little of them", () => {
    for (const text of [
      `${SECRET.slice(0, 9)}${" ".repeat(100_000)}`,
      `${SECRET.slice(0, 9)}&#${"0".repeat(100_000)}`,
    ]) {
      const watch = watchFor(SECRET);
      const free = watch.push(Buffer.from(text))!;
      expect(text.length - free.length).toBeLessThan(100);
    }
  });

  it("knows no form of what is too short to be told from chance", () => {
    expect(credentialForms("Bearer abcdefg")).toEqual([]);
    expect(credentialForms("")).toEqual([]);
    expect(credentialForms("no-header-can-bring-\u20ac")).toEqual([]);
    expect(credentialForms("Bearer abcdefgh")).not.toEqual([]);
  });
});
