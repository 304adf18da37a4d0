import { CookieJar } from "./cookie-jar.ts";

/**
 * A human's way through a provider whose pages have one form with one field, without a browser.
 *
 * @param callback where the provider sends the browser back to
 * @returns the whole address it is sent back to
 */
export async function walkThrough(address: string, login: string, callback: string): Promise<URL> {
  const cookies = new CookieJar();
  let url = new URL(address);
  let body: string | undefined;
  for (let step = 0; step < 10; step += 1) {
    if (url.href.startsWith(callback)) return url;
    const answer: Response = await fetch(url, {
      method: body === undefined ? "GET" : "POST",
      redirect: "manual",
      headers: {
        cookie: cookies.header,
        ...(body === undefined ? {} : { "content-type": "application/x-www-form-urlencoded" }),
      },
      ...(body === undefined ? {} : { body }),
    });
    cookies.keep(answer);
    const location = answer.headers.get("location");
    if (location !== null) {
      url = new URL(location, url);
      body = undefined;
    } else {
      const text = await answer.text();
      if (!text.includes("<form")) throw new Error(`the provider answered ${answer.status}: ${text}`);
      body = new URLSearchParams({ login }).toString();
    }
  }
  throw new Error("the provider never came back");
}
