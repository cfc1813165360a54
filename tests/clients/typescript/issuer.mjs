// An authorization server for tests: metadata, registration of clients, PKCE, and a login that is approved at once. Its tokens
// are signed, name the resource that was asked for, and have exactly the scopes that were asked for.
//
//   node issuer.mjs
//
// says on its first line where it is, and ends with its standard input; `startIssuer` is one in this process. `/logins` lists
// what each login asked for.

import { createHash, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";

const HOUR = 3600;
const KEY_ID = "one";

const base64 = (object) => Buffer.from(JSON.stringify(object)).toString("base64url");

export async function startIssuer() {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const [clients, codes, refreshes, logins] = [new Map(), new Map(), new Map(), []];
  let issuer;

  const metadata = () => ({
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    registration_endpoint: `${issuer}/register`,
    jwks_uri: `${issuer}/jwks`,
    response_types_supported: ["code"],
    grant_types_supported: ["authorization_code", "refresh_token"],
    token_endpoint_auth_methods_supported: ["none"],
    code_challenge_methods_supported: ["S256"],
    authorization_response_iss_parameter_supported: true,
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["RS256"],
  });

  /** An access token and one that renews it, which counts once. */
  function tokens({ client_id, resource, scope }) {
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: issuer, aud: resource, sub: "somebody", client_id, scope, iat: now, exp: now + HOUR, jti: randomBytes(8).toString("hex") };
    const signed = `${base64({ alg: "RS256", typ: "at+jwt", kid: KEY_ID })}.${base64(claims)}`;
    const access_token = `${signed}.${sign("RSA-SHA256", Buffer.from(signed), privateKey).toString("base64url")}`;
    const refresh_token = randomBytes(24).toString("base64url");
    refreshes.set(refresh_token, { client_id, resource, scope });
    return { access_token, token_type: "Bearer", expires_in: HOUR, refresh_token, scope };
  }

  function register(body) {
    const asked = JSON.parse(body);
    const client_id = randomBytes(12).toString("hex");
    clients.set(client_id, asked.redirect_uris ?? []);
    return [201, { ...asked, client_id, client_id_issued_at: Math.floor(Date.now() / 1000), token_endpoint_auth_method: "none" }];
  }

  /** The login: nobody has to type anything. */
  function authorize(query) {
    const { client_id, redirect_uri, code_challenge, code_challenge_method, resource, state, scope = "" } = query;
    if (!clients.get(client_id)?.includes(redirect_uri)) return [400, { error: "invalid_request", error_description: "no such client" }];
    const back = new URL(redirect_uri);
    const answer = { iss: issuer, ...(state && { state }) };
    if (query.response_type !== "code" || !code_challenge || code_challenge_method !== "S256") answer.error = "invalid_request";
    else if (!resource) answer.error = "invalid_target";
    else {
      answer.code = randomBytes(24).toString("base64url");
      codes.set(answer.code, { client_id, redirect_uri, code_challenge, resource, scope });
      logins.push({ client_id, resource, scope });
    }
    for (const [name, value] of Object.entries(answer)) back.searchParams.set(name, value);
    return [302, { location: back.href }];
  }

  function token(form) {
    const refused = [400, { error: "invalid_grant" }];
    const renews = form.grant_type === "refresh_token";
    const grant = renews ? refreshes.get(form.refresh_token) : codes.get(form.code);
    (renews ? refreshes : codes).delete(renews ? form.refresh_token : form.code);
    if (!grant || grant.client_id !== form.client_id) return refused;
    if (!renews) {
      const verified = createHash("sha256").update(form.code_verifier ?? "").digest("base64url");
      if (verified !== grant.code_challenge || form.redirect_uri !== grant.redirect_uri) return refused;
      if (form.resource && form.resource !== grant.resource) return [400, { error: "invalid_target" }];
    }
    return [200, tokens(grant)];
  }

  function respond(method, path, query, body) {
    switch (`${method} ${path}`) {
      case "GET /.well-known/oauth-authorization-server":
      case "GET /.well-known/openid-configuration":
        return [200, metadata()];
      case "GET /jwks":
        return [200, { keys: [{ ...publicKey.export({ format: "jwk" }), kid: KEY_ID, use: "sig", alg: "RS256" }] }];
      case "GET /logins":
        return [200, logins];
      case "POST /register":
        return register(body);
      case "GET /authorize":
        return authorize(query);
      case "POST /token":
        return token(Object.fromEntries(new URLSearchParams(body)));
      default:
        return [404, { error: "not_found" }];
    }
  }

  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const url = new URL(request.url, issuer);
    const [status, object] = respond(request.method, url.pathname, Object.fromEntries(url.searchParams), Buffer.concat(chunks).toString());
    if (status === 302) response.writeHead(302, object).end();
    else response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" }).end(JSON.stringify(object));
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  issuer = `http://127.0.0.1:${server.address().port}`;
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { url: issuer, logins, close };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { url, close } = await startIssuer();
  console.log(url);
  process.stdin.on("end", close).resume();
}
