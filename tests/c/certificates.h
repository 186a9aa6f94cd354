/* Certificates for tests of TLS, made with openssl, as people make theirs. */
#ifndef CERTIFICATES_H
#define CERTIFICATES_H

/* A folder with ca.pem, server.pem and server.key (for 127.0.0.1), other.pem (another authority) and pin.txt. */
const char *certificates(void);
void remove_folder(const char *folder);

#endif
