import type { Context } from "hono";
import { Lost } from "../pages/lost.tsx";
import type { App } from "./http.ts";
import { outcomePage } from "./page.ts";

/** Where people go with a browser. Every other address is a program's. */
const FOR_PEOPLE = /^\/(?:$|(?:approve|enrol|sign-in|sign-out|inbox|accounts|oauth\/authorize)(?:\/|$))/;

/** Whether a person waits for the answer, in a browser: a script of a page asks for something else. */
export function isForPerson(c: Context<App>): boolean {
  return FOR_PEOPLE.test(c.req.path) && c.req.header("accept")?.includes("text/html") === true;
}

/** What a person is told where a program would be told by JSON. */
export const lostPage = outcomePage(Lost, { nothing: 404, form: 405, fault: 503 });
