import manifest from "../../package.json" with { type: "json" }

/** The version of this package, as answers and the User-Agent carry it. */
export const version: string = manifest.version
