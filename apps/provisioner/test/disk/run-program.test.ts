import { execFileSync } from "node:child_process"
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { stagesOf, until } from "@cscs/harness"
import { Effect } from "effect"
import { describe, expect, onTestFinished, test } from "vitest"
import { outputOf, runProgram } from "../../src/disk/run-program.ts"

describe("a program", () => {
  const script = (text: string) => {
    const folder = mkdtempSync(`${tmpdir()}/program-`)
    onTestFinished(() => rmSync(folder, { recursive: true }))
    writeFileSync(`${folder}/program`, `#!/bin/sh\n${text}\n`)
    chmodSync(`${folder}/program`, 0o755)
    return `${folder}/program`
  }
  const failed = (program: string, deadline?: number) =>
    Effect.runPromise(Effect.flip(outputOf(program, [], deadline === undefined ? {} : { deadline })))

  test("runs without a shell, in English, and without the rest of the environment", async () => {
    const program = script('printf "%s|" "$@" "$LC_ALL" "$SECRET"')
    process.env.SECRET = "secret"
    const ran = await Effect.runPromise(runProgram(program, ["$(id)", "a b;", "*"]))
    expect(ran).toEqual({ code: 0, stdout: "$(id)|a b;|*|C||", stderr: "" })
  })

  test("that exceeds its deadline is killed, and its outcome is unknown, even if a child of it survives", async () => {
    const program = script('echo $$ > "$0.pid"; sleep 60 & sleep 60')
    expect(await failed(program, 500)).toMatchObject({ _tag: "UnknownOutcome", detail: "not finished within 500 ms" })
    // On a busy machine it may be killed before it has written its pid.
    const pid = existsSync(`${program}.pid`) ? Number(readFileSync(`${program}.pid`, "utf8")) : 0
    await until("it is gone", () => !existsSync(`/proc/${pid}`))
  })

  test("that never ends its output is killed, and its outcome is unknown", async () => {
    expect(await failed(script("exec yes"))).toMatchObject({ _tag: "UnknownOutcome" })
  })

  test("that is missing is refused", async () => {
    expect(await failed("/no/such/program")).toMatchObject({ _tag: "Refused" })
  })

  test("that cannot be started now, because too many files are open, has an unknown outcome", () => {
    const script = `
      import { openSync } from "node:fs"
      import { Effect } from "effect"
      import { runProgram } from ${JSON.stringify(new URL("../../src/disk/run-program.ts", import.meta.url).href)}
      try { for (;;) openSync("/dev/null", "r") } catch {}
      process.stdout.write((await Effect.runPromise(Effect.flip(runProgram("/bin/true", []))))._tag)`
    // In a process with a limit of its own.
    const limited = ["-c", 'ulimit -n 200; exec "$0" "$@"', process.execPath, "--input-type=module", "-e", script]
    expect(execFileSync("sh", limited, { cwd: import.meta.dirname, encoding: "utf8" })).toBe("UnknownOutcome")
  })

  test("that exits with a code other than 0 has its output quoted, and its outcome is unknown", async () => {
    const error = await failed(script("echo made; echo 'it is   broken' >&2; exit 5"))
    expect(error).toMatchObject({ _tag: "UnknownOutcome", detail: "exit code 5: it is broken" })
  })
})

test("the image installs the programs of the drivers, of which Debian's slim images have none", async () => {
  const [, image = []] = await stagesOf(join(import.meta.dirname, "../../../../deploy/provisioner.Dockerfile"))
  const words = image.find(({ name }) => name === "RUN")?.text.split(" ")
  expect(words).toEqual(expect.arrayContaining(["attr", "btrfs-progs", "e2fsprogs", "quota", "xfsprogs"]))
})
