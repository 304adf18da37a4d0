/**
 * The member names of the outermost object of a JSON text, or of each object in its outermost array: in
 * the order in which they stand, and as often. `JSON.parse` keeps the last of two members of one name,
 * other readers the first.
 *
 * @param text that `JSON.parse` has taken
 */
export function outermostMembers(text: string): string[][] {
  const objects: string[][] = [];
  const outermost = text.trimStart().startsWith("[") ? 1 : 0;
  let depth = 0;
  let expectsName = false;
  for (let at = 0; at < text.length; at += 1) {
    switch (text[at]) {
      case '"': {
        const end = endOfString(text, at);
        if (expectsName) objects.at(-1)?.push(JSON.parse(text.slice(at, end + 1)) as string);
        expectsName = false;
        at = end;
        break;
      }
      case "{":
        if (depth === outermost) objects.push([]);
        depth += 1;
        expectsName = depth === outermost + 1;
        break;
      case "[":
        depth += 1;
        expectsName = false;
        break;
      case "}":
      case "]":
        depth -= 1;
        break;
      case ",":
        expectsName = depth === outermost + 1;
        break;
      default:
    }
  }
  return objects;
}

function endOfString(text: string, start: number): number {
  let end = start + 1;
  while (text[end] !== '"') end += text[end] === "\\" ? 2 : 1;
  return end;
}
