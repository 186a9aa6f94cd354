package tim.presence;

/**
 * What the JNI shim costs for the same work as JnaProbe; events are decoded as the binding does. Prints nanoseconds. With the package
 * of {@code make kotlin PROFILE=release} and what it needs in a folder:
 * {@code javac -cp 'folder/*' -d out JniProbe.java && java -cp 'folder/*:out' tim.presence.JniProbe}
 */
public final class JniProbe {
    private static long results, users;

    private static void take(byte[] bytes) {
        if (bytes == null) return;
        EventReader reader = new EventReader(bytes);
        for (Event event = reader.next(); event != null; event = reader.next()) {
            if (event instanceof Event.Result) {
                results++;
                users += ((Event.Result) event).getUsers().size();
            }
        }
    }

    private static void drain(long client, long until) {
        int[] out = new int[2];
        while (results < until) {
            take(Native.poll(client, 64, out));
            if (out[1] == 0) Native.next(1000);
        }
    }

    public static void main(String[] args) throws InterruptedException {
        EmbeddedServer server = new EmbeddedServer("{\"rate_calls\": 0}");
        long[] out = new long[1];
        Native.create(("{\"server\": \"" + server.getAddress() + "\", \"sdk_app_id\": 1400000001, \"delivery\": \"poll\"}").getBytes(), out);
        long client = out[0];
        int[] state = new int[1];
        StringBuilder ids = new StringBuilder();
        for (int i = 0; i < 64; i++) ids.append("user").append(i).append('\0');
        byte[] joined = ids.toString().getBytes();
        for (int round = 0; round < 2; round++) {
            int calls = 200_000;
            long t0 = System.nanoTime();
            for (int i = 0; i < calls; i++) Native.loginState(client, state);
            long t1 = System.nanoTime();
            int batch = 5_000, batches = 10;
            long poll = 0, before = results;
            for (int b = 0; b < batches; b++) {
                for (int i = 0; i < batch; i++) Native.setSelfStatus(client, i, new byte[] {'x'});
                drain(client, before + 1);
                Thread.sleep(150); // As JnaProbe: the library's threads finish what is queued. A probe may sleep.
                long p0 = System.nanoTime();
                drain(client, before + batch);
                poll += System.nanoTime() - p0;
                before += batch;
            }
            System.out.printf("jni: call %d ns, result by poll %d ns%n", (t1 - t0) / calls, poll / (batch * batches));
        }
        long before = results;
        Native.login(client, 1, "alice".getBytes(), server.issueUserSig("alice").getBytes());
        drain(client, before + 1);
        for (int round = 0; round < 4; round++) {
            int batch = 500;
            before = results;
            for (int i = 0; i < batch; i++) Native.getUserStatus(client, i, joined, 64);
            Thread.sleep(150);
            long p0 = System.nanoTime();
            drain(client, before + batch);
            System.out.printf("jni: answer of 64 users by poll %d ns%n", (System.nanoTime() - p0) / batch);
        }
        System.exit(0);
    }
}
