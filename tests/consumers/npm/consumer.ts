// What the package says of its types is enough for a strict project that has installed it.
import { Client, type UserStatus } from 'tim-presence';

export async function statusOf(client: Client, user: string): Promise<UserStatus | undefined> {
  const [status] = await client.getUserStatus([user]);
  return status;
}
