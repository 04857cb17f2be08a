import manifest from "../../package.json" with { type: "json" }

/** The version of this package, as in responses and the User-Agent. */
export const version: string = manifest.version
