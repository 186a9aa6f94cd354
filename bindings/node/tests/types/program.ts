// What a program in TypeScript can and cannot write. Compiled by node.types, never run: a line after @ts-expect-error that
// compiles is an error.
import {
  Client,
  ErrorCode,
  FatalError,
  PresenceError,
  ProgrammingError,
  RetriableError,
  Server,
  libraryVersion,
  type ClientEvents,
  type ClientOptions,
  type ConnectionState,
  type Platform,
  type Status,
  type Subscribed,
  type UserOutcome,
  type UserStatus,
} from 'tim-presence';

export async function natural(): Promise<void> {
  const server = Server.start({ friends: { alice: ['bob'] }, multiLogin: 'single', listen: '127.0.0.1:0' });
  const options: ClientOptions = { server: server.address, sdkAppId: 1400000001 };
  const client = new Client({ ...options, platform: 'Web', dataDir: undefined });
  await client.login('alice', server.issueUserSig('alice'), { signal: AbortSignal.timeout(1000) });
  const subscribed: Subscribed = await client.subscribe(['bob'] as const);
  const users: UserStatus[] = await client.getUserStatus(subscribed.evicted);
  const outcomes: UserOutcome[] = await client.unsubscribe(users.map((user) => user.userId));
  if (outcomes.some((outcome) => outcome.error instanceof RetriableError)) return;
  const names: string[] = [...(await client.getSubscriptions()), ...(await client.getFriends())];
  for await (const user of client.statusChanges()) {
    const status: Status = user.status;
    const platforms: readonly Platform[] = user.platforms;
    if (user.reason === 'TIMEOUT' || typeof user.reason === 'number') console.log(names, status, platforms, libraryVersion);
  }
  client.on('statusChanged', (changes) => changes.map((user) => user.customStatus.length));
  client.once('connectionState', (state: ConnectionState, error) => console.log(state, error?.retryAfterMs));
  client.off('closed', () => {});
  const listener = (...[error]: ClientEvents['kickedOffline']): void => console.log(error.codeName);
  client.on('kickedOffline', listener);
  client.setLogLevel('DEBUG');
  client.setLogLevel(null);
  await client.setSelfStatus('').catch((error: unknown) => {
    if (error instanceof ProgrammingError || error instanceof FatalError) throw error;
    if (error instanceof PresenceError && error.code === ErrorCode.RATE_LIMITED) console.log(error.retryAfterMs);
  });
  await client.ref().unref().close();
}

export function mistakes(client: Client, user: UserStatus): void {
  // @ts-expect-error: the app is required
  new Client({ server: 'tim://localhost' });
  // @ts-expect-error: no such option
  new Client({ server: 'tim://localhost', sdkAppId: 1, delivery: 'thread' });
  // @ts-expect-error: the library's own names are not the options'
  new Client({ server: 'tim://localhost', sdk_app_id: 1 });
  // @ts-expect-error: no such choice
  Server.start({ multiLogin: 'sometimes' });
  // @ts-expect-error: servers are started
  new Server();
  // @ts-expect-error: not a list
  void client.subscribe('bob');
  // @ts-expect-error: a text is needed
  void client.setSelfStatus(null);
  // @ts-expect-error: no such event
  client.on('statuschanged', () => {});
  // @ts-expect-error: a list of users, not one
  client.on('statusChanged', (change: UserStatus) => change);
  // @ts-expect-error: no such status
  if (user.status === 'online') return;
  // @ts-expect-error: what the library says is not the program's to change
  user.customStatus = '';
  // @ts-expect-error: no such level
  client.setLogLevel('LOUD');
}
