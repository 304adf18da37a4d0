import { describe, expect, it } from "vitest";
import { mayCall } from "./outbound.ts";

const strict = { allowPrivateNetwork: false, ownOrigins: ["https://stint.acme.com"] };
const open = { ...strict, allowPrivateNetwork: true };

describe("mayCall (group F)", () => {
  it.each(["https://api.github.com/repos", "https://8.8.8.8/x"])("lets %s through", (url) => {
    expect(mayCall(url, strict)).toBe(true);
  });

  it.each([
    "http://api.github.com",
    "https://api.github.com:8443",
    "https://user@api.github.com",
    "https://u:p@api.github.com",
    "ftp://api.github.com",
    "data:text/plain,x",
    "file:///etc/passwd",
    "blob:https://a.com/x",
    "gopher://a.com",
    "https://stint.acme.com/admin",
    "https://localhost",
    "https://127.0.0.1",
    "https://169.254.169.254",
    "https://[::1]",
    "https://2130706433",
    "nonsense",
    "",
    "https://[fe80::1%25eth0]/",
    "https://[::ffff:7f00:1]",
    "https://localhost.",
    "https://127.0.0.1.",
    "https://%6cocalhost",
    "https://api.github.com%2f@127.0.0.1/",
    "https://stint.acme.com.",
    "https://STINT.acme.com/x",
    "https://stint.acme.com:443/x",
    "https://xn--stnt-ppa.internal",
    "HTTPS://10.0.0.1",
    "javascript:alert(1)",
    "about:blank",
    "ws://api.github.com",
    "wss://api.github.com",
    "https:api.github.com:22",
    "https://api.github.com:80",
    "http://api.github.com:443",
    "https:///",
    "https://",
  ])("refuses %s", (url) => {
    expect(mayCall(url, strict)).toBe(false);
  });

  it("reaches private networks only where the operator said so, and never itself or another scheme", () => {
    expect(mayCall("http://localhost:4001/x", open)).toBe(true);
    expect(mayCall("https://10.0.0.1", open)).toBe(true);
    expect(mayCall("http://api.github.com", open)).toBe(false);
    expect(mayCall("ftp://localhost", open)).toBe(false);
    expect(mayCall("http://localhost:8787/x", { ...open, ownOrigins: ["http://localhost:8787"] })).toBe(false);
  });
});
