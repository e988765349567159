/* A producer: one block of 8 bytes a second, *00001*, *00002*, ... */
#define NARVAL_PRODUCER
#include "narval_plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BLOCK_BYTES = 8 };

struct my_struct {
    unsigned int count;
};

void process_config(char *directory_path, unsigned int *error_code) {
    (void)directory_path; /* nothing to read there */
    *error_code = NARVAL_OK;
}

struct my_struct *process_register(unsigned int *error_code) {
    struct my_struct *mine = calloc(1, sizeof *mine);
    *error_code = mine ? NARVAL_OK : NARVAL_ERROR;
    return mine;
}

void process_start(struct my_struct *mine, unsigned int *error_code) {
    mine->count = 0; /* each run counts from the beginning */
    *error_code = NARVAL_OK;
}

void process_block(struct my_struct *mine, void *output_buffer, unsigned int size_of_output_buffer,
                   unsigned int *used_size_of_output_buffer, unsigned int *error_code) {
    *used_size_of_output_buffer = 0;
    if (size_of_output_buffer < BLOCK_BYTES) {
        *error_code = NARVAL_ERROR;
        return;
    }
    sleep(1);
    unsigned int number = mine->count++ % 99999 + 1; /* five digits */
    snprintf(output_buffer, BLOCK_BYTES, "*%05u*", number); /* seven characters and a NUL */
    *used_size_of_output_buffer = BLOCK_BYTES;
    *error_code = NARVAL_OK;
}

void process_unload(struct my_struct *mine, unsigned int *error_code) {
    free(mine);
    *error_code = NARVAL_OK;
}
