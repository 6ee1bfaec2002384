// SPDX-License-Identifier: MIT OR GPL-2.0
/*
 * I2C buses whose chips are programs (test rigs only).
 *
 * Bus N of the parameter `buses` appears as /dev/i2c-N, and beside it /dev/rig-i2c-N, which one program opens to be all
 * the chips of that bus. Each read() of it gives one transfer:
 *	u16 number of messages, then for each: u16 address, u16 1 when it is a read, u16 length, and a write's bytes;
 * and one write() answers it:
 *	s32 result (0, or a negative error number such as -6, nobody acknowledged), then the bytes of all reads in order.
 * Numbers are in the machine's own order. Unlike the kernel's i2c-stub, which speaks SMBus alone, this takes any
 * transfer; so both drivers in user space and the kernel's own drivers run against its chips.
 */
#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/i2c.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

/* The largest transfer, both ways: an SSD1306 display sends 1025 bytes at once, and i2c-dev allows 8192. */
#define TRANSFER_BYTES 16384
/* As many as any rig has wanted so far, twice. */
#define MOST_BUSES 4
/* A chip that takes longer than this has gone; a real adapter gives up after about a second. */
#define ANSWER_JIFFIES HZ

struct rig_bus {
	struct i2c_adapter adapter;
	struct miscdevice device;
	char device_name[16];
	struct mutex lock;		/* held for what follows */
	wait_queue_head_t changed;	/* a request was made, or nobody wants it any more */
	struct completion answered;
	bool is_open;
	bool waiting;			/* a request is there, and the program has not read it yet */
	bool asked;			/* the program has read a request, and has not answered it yet */
	size_t request_length;
	size_t answer_length;
	u8 request[TRANSFER_BYTES];
	u8 answer[TRANSFER_BYTES];
};

static int buses[MOST_BUSES] = { 1 };
static int number_of_buses = 1;
module_param_array_named(buses, buses, int, &number_of_buses, 0444);
MODULE_PARM_DESC(buses, "the numbers of the buses; 1 when not given");
static struct rig_bus *all_buses[MOST_BUSES];

static bool put_number(struct rig_bus *bus, u16 number)
{
	if (bus->request_length + sizeof(number) > TRANSFER_BYTES)
		return false;
	memcpy(bus->request + bus->request_length, &number, sizeof(number));
	bus->request_length += sizeof(number);
	return true;
}

static int write_request(struct rig_bus *bus, const struct i2c_msg *messages, int count)
{
	int i;

	bus->request_length = 0;
	if (!put_number(bus, count))
		return -EMSGSIZE;
	for (i = 0; i < count; i++) {
		const struct i2c_msg *message = &messages[i];

		if (!put_number(bus, message->addr) || !put_number(bus, message->flags & I2C_M_RD) ||
		    !put_number(bus, message->len))
			return -EMSGSIZE;
		if (message->flags & I2C_M_RD)
			continue;
		if (bus->request_length + message->len > TRANSFER_BYTES)
			return -EMSGSIZE;
		memcpy(bus->request + bus->request_length, message->buf, message->len);
		bus->request_length += message->len;
	}
	return 0;
}

static int read_answer(struct rig_bus *bus, struct i2c_msg *messages, int count)
{
	size_t at = sizeof(s32);
	s32 result;
	int i;

	memcpy(&result, bus->answer, sizeof(result));
	if (result < 0)
		return result;
	for (i = 0; i < count; i++) {
		if (!(messages[i].flags & I2C_M_RD))
			continue;
		if (at + messages[i].len > bus->answer_length)
			return -EPROTO;
		memcpy(messages[i].buf, bus->answer + at, messages[i].len);
		at += messages[i].len;
	}
	return count;
}

static int rig_transfer(struct i2c_adapter *adapter, struct i2c_msg *messages, int count)
{
	struct rig_bus *bus = container_of(adapter, struct rig_bus, adapter);
	int result;

	/* The I2C core lets one transfer of an adapter in at a time. */
	mutex_lock(&bus->lock);
	result = bus->is_open ? write_request(bus, messages, count) : -ENXIO;
	if (result < 0) {
		mutex_unlock(&bus->lock);
		return result;
	}
	reinit_completion(&bus->answered);
	bus->waiting = true;
	mutex_unlock(&bus->lock);
	wake_up_interruptible(&bus->changed);

	if (!wait_for_completion_timeout(&bus->answered, ANSWER_JIFFIES)) {
		mutex_lock(&bus->lock);
		/* An answer that comes from now on belongs to nothing. */
		bus->waiting = false;
		bus->asked = false;
		mutex_unlock(&bus->lock);
		return -ETIMEDOUT;
	}
	mutex_lock(&bus->lock);
	result = read_answer(bus, messages, count);
	mutex_unlock(&bus->lock);
	return result;
}

static u32 rig_functionality(struct i2c_adapter *adapter)
{
	return I2C_FUNC_I2C | I2C_FUNC_SMBUS_EMUL;
}

static const struct i2c_algorithm rig_algorithm = {
	.master_xfer = rig_transfer,
	.functionality = rig_functionality,
};

static struct rig_bus *bus_of(struct file *file)
{
	/* misc_open leaves the device there. */
	return container_of(file->private_data, struct rig_bus, device);
}

static int chips_open(struct inode *inode, struct file *file)
{
	struct rig_bus *bus = bus_of(file);
	int result = 0;

	mutex_lock(&bus->lock);
	if (bus->is_open)
		result = -EBUSY;
	bus->is_open = true;
	mutex_unlock(&bus->lock);
	return result ? result : nonseekable_open(inode, file);
}

static int chips_release(struct inode *inode, struct file *file)
{
	struct rig_bus *bus = bus_of(file);

	mutex_lock(&bus->lock);
	bus->is_open = false;
	bus->waiting = false;
	bus->asked = false;
	mutex_unlock(&bus->lock);
	return 0;
}

static ssize_t chips_read(struct file *file, char __user *bytes, size_t length, loff_t *offset)
{
	struct rig_bus *bus = bus_of(file);
	ssize_t result;

	for (;;) {
		if (wait_event_interruptible(bus->changed, READ_ONCE(bus->waiting)))
			return -ERESTARTSYS;
		mutex_lock(&bus->lock);
		/* The transfer may have given up meanwhile. */
		if (bus->waiting)
			break;
		mutex_unlock(&bus->lock);
	}
	result = bus->request_length;
	if (length < bus->request_length)
		result = -EMSGSIZE;
	else if (copy_to_user(bytes, bus->request, bus->request_length))
		result = -EFAULT;
	if (result > 0) {
		bus->waiting = false;
		bus->asked = true;
	}
	mutex_unlock(&bus->lock);
	return result;
}

static ssize_t chips_write(struct file *file, const char __user *bytes, size_t length, loff_t *offset)
{
	struct rig_bus *bus = bus_of(file);
	ssize_t result = length;

	if (length < sizeof(s32) || length > TRANSFER_BYTES)
		return -EINVAL;
	mutex_lock(&bus->lock);
	if (!bus->asked) {
		/* Too late: the transfer gave up. That is the bus's matter, not an error of the chips. */
	} else if (copy_from_user(bus->answer, bytes, length)) {
		result = -EFAULT;
	} else {
		bus->answer_length = length;
		bus->asked = false;
		complete(&bus->answered);
	}
	mutex_unlock(&bus->lock);
	return result;
}

static const struct file_operations chips_operations = {
	.owner = THIS_MODULE,
	.open = chips_open,
	.release = chips_release,
	.read = chips_read,
	.write = chips_write,
};

static int add_bus(int number, struct rig_bus **place)
{
	struct rig_bus *bus = kzalloc(sizeof(*bus), GFP_KERNEL);
	int result;

	if (!bus)
		return -ENOMEM;
	mutex_init(&bus->lock);
	init_waitqueue_head(&bus->changed);
	init_completion(&bus->answered);
	snprintf(bus->device_name, sizeof(bus->device_name), "rig-i2c-%d", number);
	bus->device.minor = MISC_DYNAMIC_MINOR;
	bus->device.name = bus->device_name;
	bus->device.fops = &chips_operations;
	bus->device.mode = 0600;
	bus->adapter.owner = THIS_MODULE;
	bus->adapter.algo = &rig_algorithm;
	bus->adapter.timeout = ANSWER_JIFFIES;
	bus->adapter.nr = number;
	snprintf(bus->adapter.name, sizeof(bus->adapter.name), "rig bus %d", number);
	result = misc_register(&bus->device);
	if (result)
		goto free;
	result = i2c_add_numbered_adapter(&bus->adapter);
	if (result)
		goto deregister;
	*place = bus;
	return 0;
deregister:
	misc_deregister(&bus->device);
free:
	kfree(bus);
	return result;
}

static void rig_exit(void)
{
	int i;

	for (i = 0; i < MOST_BUSES; i++) {
		if (!all_buses[i])
			continue;
		i2c_del_adapter(&all_buses[i]->adapter);
		misc_deregister(&all_buses[i]->device);
		kfree(all_buses[i]);
		all_buses[i] = NULL;
	}
}

static int __init rig_init(void)
{
	int i, result;

	for (i = 0; i < number_of_buses; i++) {
		result = add_bus(buses[i], &all_buses[i]);
		if (result) {
			rig_exit();
			return result;
		}
	}
	return 0;
}

static void __exit rig_leave(void)
{
	rig_exit();
}

module_init(rig_init);
module_exit(rig_leave);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("I2C buses whose chips are programs (test rigs)");
