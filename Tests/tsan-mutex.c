// Tells the thread sanitizer what order Synchronization.Mutex makes where a thread waits for it. Preloaded by
// Tests/run --full.
//
// Mutex's quick path is compiled into our own code, where the sanitizer sees its atomic exchange. Its slow paths lie in
// Swift's library, which is not built with the sanitizer: who has waited for a lock seems to come after nobody, and
// whatever the lock guards seems to race. These functions take the place of those, call them, and tell. They hide
// nothing: an access beside the lock is reported as ever (tried with Swift 6.3.1).
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *handle

// The sanitizer's own; absent in programs that are not built with it.
__attribute__((weak)) void __tsan_acquire(void *address);
__attribute__((weak)) void __tsan_release(void *address);

void SWIFT lockSlow(uint32_t thread, SELF) __asm__("$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF");
bool SWIFT tryLockSlow(SELF) __asm__("$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF");
void SWIFT unlockSlow(SELF) __asm__("$s15Synchronization12_MutexHandleV11_unlockSlowyyF");

static void *_Atomic lockNext, *_Atomic tryLockNext, *_Atomic unlockNext;

static void *next(void *_Atomic *known, const char *name) {
    void *found = *known;
    if (!found) *known = found = dlsym(RTLD_NEXT, name);
    return found;
}

void SWIFT lockSlow(uint32_t thread, SELF) {
    void SWIFT (*real)(uint32_t, SELF) = next(&lockNext, "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF");
    real(thread, handle);
    if (__tsan_acquire) __tsan_acquire(handle);
}

bool SWIFT tryLockSlow(SELF) {
    bool SWIFT (*real)(SELF) = next(&tryLockNext, "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF");
    bool locked = real(handle);
    if (locked && __tsan_acquire) __tsan_acquire(handle);
    return locked;
}

void SWIFT unlockSlow(SELF) {
    void SWIFT (*real)(SELF) = next(&unlockNext, "$s15Synchronization12_MutexHandleV11_unlockSlowyyF");
    if (__tsan_release) __tsan_release(handle);
    real(handle);
}
