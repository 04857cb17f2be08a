import type { Sandbox } from "@cscs/sandbox"

/** The sandbox's storage systems, by name, with the slugs of their offerings. */
const systems = { capstor: "capstor", vast: "vast", iopsstor: "iopsstor" }

/** The proxy's settings for the sandbox, as environment variables; by default without authentication. */
export const sandboxEnvironment = (
  { waldur, hpcUserApi, issuer }: Pick<Sandbox, "waldur" | "hpcUserApi" | "issuer">,
  authentication = false,
) => ({
  WALDUR_API_URL: waldur.url,
  WALDUR_API_TOKEN: waldur.token,
  STORAGE_SYSTEMS: JSON.stringify(systems),
  HPC_USER_API_URL: hpcUserApi.url,
  HPC_USER_CLIENT_ID: hpcUserApi.clientId,
  HPC_USER_CLIENT_SECRET: hpcUserApi.clientSecret,
  HPC_USER_OIDC_TOKEN_URL: hpcUserApi.tokenUrl,
  ...(authentication
    ? {
        DISABLE_AUTH: "false",
        CSCS_KEYCLOAK_URL: issuer.baseUrl,
        CSCS_KEYCLOAK_REALM: issuer.realm,
        CSCS_KEYCLOAK_CLIENT_ID: issuer.audience.clientId,
      }
    : { DISABLE_AUTH: "true" }),
})
