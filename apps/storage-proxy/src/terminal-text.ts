/** Text for a terminal: colours, and no control characters from upstreams. */
import { styleText } from "node:util"

type Color = Parameters<typeof styleText>[0]

/** Coloured text if standard output is a terminal and `NO_COLOR` is not set. */
export const colored = (color: Color, text: string): string => styleText(color, text, { stream: process.stdout })

/** The colour of each entry status. */
export const statusColor: Readonly<Record<string, Color>> = {
  pending: "yellow",
  active: "green",
  error: "red",
  updating: "cyan",
  removing: "magenta",
  removed: "gray",
}

// Control characters, line separators of some programs, and characters that change the text direction. Text from Waldur
// or a caller must neither control a terminal nor look like something else.
const controls = /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/gu

/** Escapes control characters in foreign text for a terminal or a log, in JSON notation. */
export const escapeControls = (text: string): string =>
  text.replace(controls, (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** A Waldur value in readable form: strings that are not empty unchanged, everything else as JSON. */
export const shownValue = (value: unknown): string =>
  escapeControls(typeof value === "string" && value !== "" ? value : (JSON.stringify(value) ?? "nothing"))
