/* A consumer: prints blocks of 8 bytes; what an actor prints is in the log. */
#define NARVAL_CONSUMER
#include "narval_plugin.h"

#include <stdio.h>

enum { BLOCK_BYTES = 8 };

void process_config(char *directory_path, unsigned int *error_code) {
    (void)directory_path;
    *error_code = NARVAL_OK;
}

struct my_struct *process_register(unsigned int *error_code) {
    *error_code = NARVAL_OK;
    return NULL;
}

void process_block(struct my_struct *mine, void *input_buffer, unsigned int size_of_input_buffer,
                   unsigned int *error_code) {
    (void)mine;
    if (size_of_input_buffer != BLOCK_BYTES) {
        *error_code = NARVAL_ERROR;
        return;
    }
    printf("%.*s\n", BLOCK_BYTES, (const char *)input_buffer);
    fflush(stdout);
    *error_code = NARVAL_OK;
}
