import { serveCommands } from "../src/helpers.ts"

const commands = {
  echo: (input: Uint8Array) => input,
  fail: (message: string) => {
    throw new Error(message)
  },
  leave: (code: number) => process.exit(code),
}

export type EchoCommands = typeof commands

serveCommands(commands)
