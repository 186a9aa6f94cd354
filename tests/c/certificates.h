/* Certificates for tests of TLS, made with openssl, as people make theirs. */
#ifndef CERTIFICATES_H
#define CERTIFICATES_H

#include "support.h"

/* A folder with ca.pem, server.pem and server.key (for 127.0.0.1), other.pem (another authority) and pin.txt. */
const char *certificates(void);
void remove_folder(const char *folder);

/* A server in this process with the certificate of `folder`; its address begins with tims://. */
TimServer tls_server(const char *folder, char *address, size_t capacity);

#endif
