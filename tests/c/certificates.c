/* See certificates.h. */
#include "certificates.h"

#include <stdlib.h>

const char *certificates(void) {
    static char folder[] = "/tmp/tim-test-XXXXXX";
    char command[4096];
    CHECK(mkdtemp(folder) != NULL);
    snprintf(command, sizeof command,
             "set -e; cd %s; exec >openssl.log 2>&1\n"
             "authority() { openssl req -x509 -days 2 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout $1.key"
             " -out $1.pem -subj \"/CN=$1\"; }\n"
             "authority ca; authority other\n"
             "openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout server.key -out server.csr -subj /CN=s\n"
             "echo subjectAltName=IP:127.0.0.1 >extensions\n"
             "openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out server.pem\n"
             "openssl x509 -in server.pem -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary"
             " | openssl base64 >pin.txt\n",
             folder);
    if (system(command) != 0) FAIL("openssl failed: see %s/openssl.log", folder);
    return folder;
}

void remove_folder(const char *folder) {
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK_EQ(system(command), 0);
}

TimServer tls_server(const char *folder, char *address, size_t capacity) {
    char options[512];
    TimServer server = 0;
    snprintf(options, sizeof options,
             "{\"tls_certificate_file\":\"%s/server.pem\",\"tls_key_file\":\"%s/server.key\",\"sdk_app_id\":%d,"
             "\"secret_key\":\"" APP_KEY "\"}",
             folder, folder, APP_ID);
    ACCEPTED(timServerStart(options, &server));
    ACCEPTED(timServerAddress(server, address, capacity, NULL));
    return server;
}
