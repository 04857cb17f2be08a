/** Text for a terminal: colours, and no control characters from upstreams. */
import { styleText } from "node:util"
import { escapeControls } from "@cscs/proxy-server"

type Color = Parameters<typeof styleText>[0]

/**
 * Coloured text if standard output is a terminal and `NO_COLOR` is not set, or if `FORCE_COLOR` asks for it. The caller escapes
 * text from upstreams.
 */
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

/** A Waldur value in readable form: a string that is not empty as it is, anything else as JSON; control characters escaped. */
export const shownValue = (value: unknown): string =>
  escapeControls(typeof value === "string" && value !== "" ? value : (JSON.stringify(value) ?? "nothing"))
