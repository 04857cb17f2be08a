/** Makes foreign text safe for a terminal or a log. */

// Control characters, line separators of some programs, and characters that change the text direction. Text from Waldur
// or a caller must neither control a terminal nor look like something else.
const controls = /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu

/** Escapes control characters in foreign text for a terminal or a log, in JSON notation. */
export const escapeControls = (text: string): string =>
  text.replace(controls, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** Escapes control characters in each line of a message of our own, whose line breaks stay. */
export const escapeLines = (message: string): string => message.split("\n").map(escapeControls).join("\n")
