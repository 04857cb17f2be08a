/** `storage-provisioner drift`. */
import { escapeControls } from "@cscs/proxy-server"
import { Effect } from "effect"
import { Command } from "effect/cli"
import { driftOf } from "../loop/drift.ts"
import { jsonFlag, lookFlags } from "./flags.ts"
import { Changes } from "./plan.ts"
import { readSession } from "./session.ts"

export const drift = Command.make(
  "drift",
  { ...lookFlags, json: jsonFlag },
  Effect.fn(function* ({ json, ...flags }) {
    const { readList, systems, scope } = yield* readSession(flags)
    const list = yield* readList()
    const { etag } = list
    const drifts = yield* driftOf(list, systems, scope)
    const lines = drifts.map(
      ({ drift, path, itemId, detail }) =>
        `${drift} ${escapeControls(`${path || itemId || "(no itemId)"}: ${detail}`)}`,
    )
    process.stdout.write(
      json
        ? `${JSON.stringify({ etag, drifts }, null, 2)}\n`
        : `${[...lines, `${drifts.length} ${drifts.length === 1 ? "difference" : "differences"} (list ${escapeControls(etag)})`].join("\n")}\n`,
    )
    if (drifts.length > 0) yield* new Changes()
  }, Effect.scoped),
).pipe(
  Command.withDescription(
    "Print how list and disk differ: what is on the disk and not listed, and what is listed and missing or different. Changes nothing. Exit code 0 if nothing differs, 2 if something does, 1 after an error.",
  ),
)
