import { describe, expect, it } from "vitest";
import { isPublicHost } from "./public-address.ts";

const hostOf = (url: string): string => new URL(url).hostname;

describe("isPublicHost (group F)", () => {
  it.each([
    "https://api.github.com",
    "https://8.8.8.8",
    "https://[2606:4700::1111]",
    "https://slack.com",
    "https://[2001:4860:4860::8888]",
  ])("takes %s", (url) => {
    expect(isPublicHost(hostOf(url))).toBe(true);
  });

  it.each([
    "https://127.0.0.1",
    "https://127.1",
    "https://2130706433",
    "https://0x7f000001",
    "https://0177.0.0.1",
    "https://0",
    "https://10.1.2.3",
    "https://172.16.0.1",
    "https://192.168.1.1",
    "https://169.254.169.254",
    "https://100.64.0.1",
    "https://192.0.0.1",
    "https://198.18.0.1",
    "https://224.0.0.1",
    "https://240.0.0.1",
    "https://255.255.255.255",
    "https://192.0.2.1",
    "https://203.0.113.9",
    "https://[::1]",
    "https://[::]",
    "https://[::ffff:127.0.0.1]",
    "https://[64:ff9b::7f00:1]",
    "https://[fd00:ec2::254]",
    "https://[fe80::1]",
    "https://[ff02::1]",
    "https://[2001:db8::1]",
    "https://[2002:7f00:1::]",
    "https://[2001::1]",
    "https://[3fff::1]",
    "https://localhost",
    "https://metadata.google.internal",
    "https://printer.local",
    "https://a.localhost",
    "https://1.0.0.127.in-addr.arpa",
    "https://x.onion",
    "https://intranet",
    "https://api.github.com.",
    "https://x.test",
    "https://x.home.arpa",
  ])("refuses %s", (url) => {
    expect(isPublicHost(hostOf(url))).toBe(false);
  });

  it.each([
    "127.1",
    "10.1",
    "0177.0.0.1",
    "127.0.0.01",
    "0x7f.0.0.1",
    "0x7f.1",
    "1.2.3.256",
    "8.8.8.8.8",
    "2130706433",
    "::1",
    "::ffff:127.0.0.1",
    "printer.LOCAL",
    "metadata.google.INTERNAL",
    "a b.com",
    "a/b.com",
    "",
  ])("refuses %j, which no URL parser has mended", (host) => {
    expect(isPublicHost(host)).toBe(false);
  });

  it.each(["smtp.gmail.com", "SMTP.Gmail.Com", "8.8.8.8", "mx1.example1.com", "1and1.com"])(
    "takes %s as it is",
    (host) => {
      expect(isPublicHost(host)).toBe(true);
    },
  );
});
