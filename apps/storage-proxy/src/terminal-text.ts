import { styleText } from "node:util"

export type Color = Parameters<typeof styleText>[0]

/** Text in colour where standard output is a terminal and `NO_COLOR` is not set. */
export const colored = (color: Color, text: string): string => styleText(color, text, { stream: process.stdout })

/** What an entry's status is shown in. */
export const statusColor: Readonly<Record<string, Color>> = {
  pending: "yellow",
  active: "green",
  error: "red",
  updating: "cyan",
  removing: "magenta",
  removed: "gray",
}

// Control characters, those that end a line for some programs, and those that turn the direction of text: whatever Waldur
// or a caller wrote shall neither command a terminal nor look like something else.
const controls = /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu

/** Text from elsewhere as a terminal or a log may have it: such characters are written out as JSON escapes them. */
export const escapeControls = (text: string): string =>
  text.replace(controls, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** A value of Waldur's for people: texts as they are, all else as JSON. */
export const shownValue = (value: unknown): string =>
  escapeControls(typeof value === "string" ? value : (JSON.stringify(value) ?? "nothing"))
