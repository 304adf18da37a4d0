import { describe, expect, it } from "vitest";
import { PLACEHOLDER, programEnvironment, variableOf } from "./program-environment.ts";

const baseOf = (upstream: string): string => `http://127.0.0.1:1/s/${upstream}`;

describe("the environment of a program", () => {
  it("knows an upstream by its catalogue's name, also where its id only begins with it", () => {
    expect(programEnvironment({}, ["github-acme"], baseOf)).toMatchObject({
      GITHUB_API_URL: "http://127.0.0.1:1/s/github-acme",
      GITHUB_GRAPHQL_URL: "http://127.0.0.1:1/s/github-acme/graphql",
      STINT_UPSTREAM_GITHUB_ACME_URL: "http://127.0.0.1:1/s/github-acme",
      GH_TOKEN: PLACEHOLDER,
    });
    expect(programEnvironment({}, ["githubby", "__proto__", "constructor"], baseOf)).not.toHaveProperty(
      "GITHUB_API_URL",
    );
  });

  it("leaves out a variable that two upstreams would have", () => {
    const environment = programEnvironment({}, ["github-a", "github-b"], baseOf);
    expect(environment).not.toHaveProperty("GITHUB_API_URL");
    expect(environment).toHaveProperty("STINT_UPSTREAM_GITHUB_A_URL");
    expect(environment).toHaveProperty("STINT_UPSTREAM_GITHUB_B_URL");
  });

  it("passes on what is the user's and nothing that is Stint's", () => {
    const own = { PATH: "/bin", STINT_ADMIN_TOKEN: "adm", STINT_UPSTREAM_GITHUB_URL: "http://evil", GONE: undefined };
    const environment = programEnvironment(own, ["echo"], baseOf);
    expect(environment).toEqual({
      PATH: "/bin",
      STINT_UPSTREAM_ECHO_URL: "http://127.0.0.1:1/s/echo",
      NO_PROXY: "127.0.0.1,localhost",
      no_proxy: "127.0.0.1,localhost",
    });
  });

  it("tells upstreams apart as far as a variable's name can", () => {
    expect(variableOf("a.b")).toBe(variableOf("a-b"));
    expect(variableOf("google-drive2")).toBe("STINT_UPSTREAM_GOOGLE_DRIVE2_URL");
  });
});
