// GraphQL: the audits of graphql-http (GraphQL over HTTP), and the client of graphql-ws (graphql-transport-ws), both unchanged.
//
// usage: node graphql.mjs URL
import { serverAudits } from 'graphql-http'
import { buildClientSchema, getIntrospectionQuery } from 'graphql'
import { createClient } from 'graphql-ws'
import WebSocket from 'ws'

const [url] = process.argv.slice(2)
const endpoint = `${url}/graphql`
const socket = `${endpoint.replace('http', 'ws')}`

function say(name, failure) {
  console.log(failure === undefined ? `ok ${name}` : `not ok ${name}: ${failure}`)
}

async function check(name, body) {
  try {
    await body()
    say(name)
  } catch (error) {
    say(name, error.stack ?? error.message ?? JSON.stringify(error))
  }
}

function same(found, expected) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)]
  if (a !== b) throw new Error(`${a} is not ${b}`)
}

async function ask(query, variables) {
  const headers = { 'Content-Type': 'application/json', Accept: 'application/graphql-response+json' }
  const response = await fetch(endpoint, { method: 'POST', headers, body: JSON.stringify({ query, variables }) })
  return response.json()
}

const publish = 'mutation ($events: [PublishInput!]!) { publish(events: $events) { position duplicate } }'
const departure = (id, key, data) => ({ topic: 'departures', id, source: '/peer', type: 'departed', key, data })

// Every audit, whatever it calls itself: MUST, SHOULD and MAY.
for (const audit of serverAudits({ url: endpoint })) {
  const result = await audit.fn()
  say(`${audit.id} ${audit.name}`, result.status === 'ok' ? undefined : result.reason)
}

await check('the introspection query of graphql-js gives a schema', async () => {
  const { data, errors } = await ask(getIntrospectionQuery({ inputValueDeprecation: true, specifiedByUrl: true }))
  same(errors, undefined)
  const fields = buildClientSchema(data).getQueryType().getFields()
  same(Object.keys(fields).sort(), ['deadLetters', 'events', 'topics'])
})

await check('what was published is read, data as it was sent', async () => {
  const data = '{"b":1,  "a":1.10}'
  const published = await ask(publish, { events: departure('1', 'k', data) })
  same(published, { data: { publish: [{ position: 'departures/0@0', duplicate: false }] } })
  const read = await ask('{ events(topic: "departures") { events { position id key data } cursor } }')
  same(read.data.events, { events: [{ position: 'departures/0@0', id: '1', key: 'k', data }], cursor: '0@1' })
})

await check('a subscription gives what is there and what comes, with cursors to go on from', async () => {
  const client = createClient({ url: socket, webSocketImpl: WebSocket, retryAttempts: 0 })
  const query = 'subscription { events(topic: "departures", from: "beginning") { cursor event { id data } } }'
  const found = []
  for await (const { data, errors } of client.iterate({ query })) {
    same(errors, undefined)
    found.push(`${data.events.event.id} ${data.events.cursor}`)
    if (found.length === 1) await ask(publish, { events: [departure('2', 'k', '2'), departure('3', 'other', '3')] })
    if (found.length === 3) break
  }
  same(found, ['1 0@1', '2 0@2', '3 0@3'])
  await client.dispose()
})

await check('several operations share a connection, queries among them', async () => {
  const client = createClient({ url: socket, webSocketImpl: WebSocket, retryAttempts: 0 })
  const keyed = client.iterate({
    query: 'subscription ($key: String) { events(topic: "departures", from: "beginning", key: $key) { event { id } } }',
    variables: { key: 'other' },
  })
  const first = keyed.next()
  const topics = await client.iterate({ query: '{ topics { name } }' }).next()
  same(topics.value, { data: { topics: [{ name: 'departures' }] } })
  same((await first).value, { data: { events: { event: { id: '3' } } } })
  await keyed.return()
  await client.dispose()
})

await check('a refused subscription says why, with its code', async () => {
  const client = createClient({ url: socket, webSocketImpl: WebSocket, retryAttempts: 0 })
  const stream = client.iterate({ query: 'subscription { events(topic: "nowhere") { cursor } }' })
  let codes
  try {
    await stream.next()
  } catch (errors) {
    codes = errors.map((error) => error.extensions.code)
  }
  same(codes, ['RR0140'])
  await client.dispose()
})
