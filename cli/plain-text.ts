/** Text of others for a terminal: what could move its cursor, set its title or hide what stands beside it is spelled out. */
export function plainText(text: string): string {
  return text.replaceAll(
    /[^\P{C}\n\t]|[\u2028\u2029]/gu,
    (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`,
  );
}
