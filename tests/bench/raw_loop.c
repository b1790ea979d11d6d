/* The speed to be measured against: C_SignInit and C_Sign in a loop, in one session, and nothing else.
 *
 *   raw_loop MODULE SERIAL ID PIN-FILE BYTES
 *
 * SERIAL names the token, ID (hex) is CKA_ID of the private key, the PIN is the first line of PIN-FILE. Each
 * line "N" on stdin signs N messages of BYTES bytes and prints the seconds that took, wall time and processor
 * time; "N new" creates a pair before each, which signs a message, too. The end of stdin ends it.
 * The few types of PKCS#11 2.40 that are wanted stand here, so that no header has to be installed.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef unsigned long ck_ulong;
typedef struct { ck_ulong type; void *value; ck_ulong length; } ck_attribute;
typedef struct { ck_ulong mechanism; void *parameter; ck_ulong length; } ck_mechanism;
typedef struct {
    void *create_mutex, *destroy_mutex, *lock_mutex, *unlock_mutex;
    ck_ulong flags;
    void *reserved;
} ck_initialize_args;
typedef struct {
    char label[32], manufacturer[32], model[16], serial[16];
    ck_ulong numbers[11];
    unsigned char versions[4];
    char time[16];
} ck_token_info;

/* Places in CK_FUNCTION_LIST, behind its version. */
enum {
    INITIALIZE = 0, GET_SLOT_LIST = 4, GET_TOKEN_INFO = 6, OPEN_SESSION = 12, LOGIN = 18,
    FIND_INIT = 26, FIND = 27, FIND_FINAL = 28, SIGN_INIT = 42, SIGN = 43,
    GENERATE_KEY_PAIR = 59,
};
static void **functions;

#define CALL(place, types, ...) check(#place, ((ck_ulong(*) types)functions[place])(__VA_ARGS__))

static void check(const char *what, ck_ulong result) {
    if (result != 0) {
        fprintf(stderr, "raw_loop: %s: 0x%lx\n", what, result);
        exit(1);
    }
}

static void load(const char *path) {
    void *library = dlopen(path, RTLD_NOW);
    ck_ulong (*get)(void **) = library ? (ck_ulong(*)(void **))dlsym(library, "C_GetFunctionList") : NULL;
    void *list = NULL;
    if (get == NULL || get(&list) != 0) {
        fprintf(stderr, "raw_loop: cannot load %s\n", path);
        exit(1);
    }
    functions = (void **)list + 1;
    ck_initialize_args arguments = {.flags = 2};
    CALL(INITIALIZE, (void *), &arguments);
}

static ck_ulong slot_of(const char *serial) {
    ck_ulong slots[64], count = 64;
    CALL(GET_SLOT_LIST, (unsigned char, ck_ulong *, ck_ulong *), 1, slots, &count);
    for (ck_ulong i = 0; i < count; i++) {
        ck_token_info info;
        CALL(GET_TOKEN_INFO, (ck_ulong, ck_token_info *), slots[i], &info);
        if (strncmp(info.serial, serial, strlen(serial)) == 0) return slots[i];
    }
    fprintf(stderr, "raw_loop: no token %s\n", serial);
    exit(1);
}

static ck_ulong logged_in(ck_ulong slot, const char *pin_file) {
    char pin[256] = "";
    FILE *file = fopen(pin_file, "r");
    if (file == NULL || fgets(pin, sizeof pin, file) == NULL) check("PIN-FILE", 1);
    fclose(file);
    pin[strcspn(pin, "\n")] = 0;
    ck_ulong session;
    CALL(OPEN_SESSION, (ck_ulong, ck_ulong, void *, void *, ck_ulong *), slot, 6, NULL, NULL, &session);
    CALL(LOGIN, (ck_ulong, ck_ulong, char *, ck_ulong), session, 1, pin, strlen(pin));
    return session;
}

static ck_ulong key_of(ck_ulong session, const char *hex) {
    unsigned char id[64];
    ck_ulong size = strlen(hex) / 2, private_key = 3, key = 0, found = 0;
    for (ck_ulong i = 0; i < size && i < sizeof id; i++) sscanf(hex + 2 * i, "%2hhx", &id[i]);
    ck_attribute template[] = {{0x000, &private_key, sizeof private_key}, {0x102, id, size}};
    CALL(FIND_INIT, (ck_ulong, ck_attribute *, ck_ulong), session, template, 2);
    CALL(FIND, (ck_ulong, ck_ulong *, ck_ulong, ck_ulong *), session, &key, 1, &found);
    CALL(FIND_FINAL, (ck_ulong), session);
    check("the key", found != 1);
    return key;
}

static void sign(ck_ulong session, ck_ulong key, unsigned char *message, ck_ulong size) {
    unsigned char signature[64];
    ck_ulong length = sizeof signature;
    ck_mechanism eddsa = {0x1057, NULL, 0};
    CALL(SIGN_INIT, (ck_ulong, ck_mechanism *, ck_ulong), session, &eddsa, key);
    CALL(SIGN, (ck_ulong, unsigned char *, ck_ulong, unsigned char *, ck_ulong *), session, message, size,
         signature, &length);
}

/* An Ed25519 pair that stays on the token, with a label and an id, as seedless creates one. */
static ck_ulong created(ck_ulong session) {
    static ck_ulong id = 0;
    unsigned char yes = 1, no = 0, curve[] = "\x13\x0c" "edwards25519";
    char label[32];
    int length = snprintf(label, sizeof label, "account:%lu", ++id);
    ck_attribute public_template[] = {{0x001, &yes, 1}, {0x002, &no, 1}, {0x003, label, length}, {0x102, &id, sizeof id},
                                      {0x10A, &yes, 1}, {0x180, curve, sizeof curve - 1}};
    ck_attribute private_template[] = {{0x001, &yes, 1}, {0x002, &yes, 1}, {0x003, label, length}, {0x102, &id, sizeof id},
                                       {0x103, &yes, 1}, {0x108, &yes, 1}, {0x162, &no, 1}, {0x170, &no, 1}};
    ck_mechanism generate = {0x1055, NULL, 0};
    ck_ulong public_key, private_key;
    CALL(GENERATE_KEY_PAIR,
         (ck_ulong, ck_mechanism *, ck_attribute *, ck_ulong, ck_attribute *, ck_ulong, ck_ulong *, ck_ulong *),
         session, &generate, public_template, 6, private_template, 8, &public_key, &private_key);
    return private_key;
}

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void rounds(ck_ulong session, ck_ulong key, unsigned char *message, ck_ulong size, long count, int is_new) {
    double begin = seconds(CLOCK_MONOTONIC), used = seconds(CLOCK_PROCESS_CPUTIME_ID);
    for (long i = 0; i < count; i++) {
        message[i % size] ^= 1;
        if (is_new) sign(session, created(session), message, size);
        sign(session, key, message, size);
    }
    printf("%.9f %.9f\n", seconds(CLOCK_MONOTONIC) - begin, seconds(CLOCK_PROCESS_CPUTIME_ID) - used);
    fflush(stdout);
}

int main(int count, char **arguments) {
    if (count != 6) {
        fprintf(stderr, "usage: raw_loop MODULE SERIAL ID PIN-FILE BYTES\n");
        return 2;
    }
    load(arguments[1]);
    ck_ulong session = logged_in(slot_of(arguments[2]), arguments[4]);
    ck_ulong key = key_of(session, arguments[3]), size = strtoul(arguments[5], NULL, 10);
    unsigned char *message = calloc(size + 1, 1);
    char line[32];
    while (fgets(line, sizeof line, stdin) != NULL) {
        rounds(session, key, message, size, strtol(line, NULL, 10), strstr(line, "new") != NULL);
    }
    return 0;
}
