// A real identity provider. Its sign-in page asks who comes, and with which strength, and believes it.
// usage: node server.mjs CONFIGURATION.json; prints one line once it listens.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { Provider } from 'oidc-provider'

const given = JSON.parse(readFileSync(process.argv[2], 'utf8'))
const configuration = {
  clients: [given.client],
  jwks: given.jwks,
  pkce: { required: () => true },
  acrValues: ['password', 'mfa'],
  conformIdTokenClaims: false,
  claims: { openid: ['sub'], profile: ['name', 'preferred_username'], acr: null, auth_time: null, sid: null },
  cookies: { keys: ['a key of the tests'] },
  features: { devInteractions: { enabled: false }, backchannelLogout: { enabled: true } },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, name: `Người ${id}`, preferred_username: id }),
  }),
  // It refuses to call this machine otherwise, where the desk of the tests is.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  loadExistingGrant: async (ctx) => {
    const grant = new ctx.oidc.provider.Grant({
      clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId,
    })
    grant.addOIDCScope('openid profile')
    await grant.save()
    return grant
  },
}
const provider = new Provider(given.issuer, configuration)
provider.proxy = true
provider.on('backchannel.error', (_, error) => console.error(error))
const answer = provider.callback()
const page = `<!doctype html><title>Định danh</title><form><input name="person" value="an">
<input name="acr" value="mfa"><button>Đăng nhập</button></form>`

createServer(async (request, response) => {
  const url = new URL(request.url, given.issuer)
  if (!url.pathname.startsWith('/interaction/')) return answer(request, response)
  const accountId = url.searchParams.get('person')
  if (!accountId) return response.setHeader('Content-Type', 'text/html; charset=utf-8').end(page)
  const login = { accountId, acr: url.searchParams.get('acr') ?? 'password' }
  return provider.interactionFinished(request, response, { login })
}).listen(given.port, '127.0.0.1', () => console.log('listening'))
