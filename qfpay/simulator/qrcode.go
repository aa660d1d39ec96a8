package simulator

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/big"

	"github.com/qfpay-worker/qfpay-worker/qfpay"
)

// qrCode returns the text of an order's QR code. For Alipay, WeChat and PayMe it is in the
// form of QFPay's samples. For FPS, UnionPay and Octopus there is no sample; they get an EMV
// text as Hong Kong's wallets scan it, with fictitious account numbers. All orders have
// different texts.
func qrCode(o *Order, seed uint64) string {
	token := token(o.Syssn, seed)
	switch o.PayType {
	case qfpay.AlipayOverseas, qfpay.AlipayHK:
		return "https://qr.alipay.com/bax" + token[:21]
	case qfpay.WeChat:
		return "weixin://wxpay/bizpayurl?pr=" + token[:9]
	case qfpay.PayMe:
		return "https://qr.payme.hsbc.com.hk/2/" + token[:22]
	case qfpay.UnionPay:
		return emv("15", "3125034400010344"+token[:15], o)
	case qfpay.FPS:
		return emv("26", tlv("00", "hk.com.hkicl")+tlv("02", "1669999"), o)
	default:
		return emv("28", tlv("00", "com.octopus")+tlv("01", token[:16]), o)
	}
}

// token is 40 letters and digits, a function of the order and the seed.
func token(syssn string, seed uint64) string {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64([]byte(syssn), seed))
	text := new(big.Int).SetBytes(sum[:]).Text(36)
	return (text + hex.EncodeToString(sum[:]))[:40]
}

// emv writes an EMVCo merchant-presented text: tag, length, value, and a checksum
// (EMV QR Code Specification, Merchant-Presented Mode, 1.1).
func emv(tag, account string, o *Order) string {
	text := tlv("00", "01") + tlv("01", "12") + tlv(tag, account) + tlv("52", "0000") + tlv("53", "344") +
		tlv("54", fmt.Sprintf("%d.%02d", o.TxAmt/100, o.TxAmt%100)) + tlv("58", "HK") + tlv("59", "QFPay Simulator") +
		tlv("60", "Hong Kong") + tlv("62", tlv("05", o.Syssn[1:])) + "6304"
	return text + fmt.Sprintf("%04X", crc16([]byte(text)))
}

func tlv(tag, value string) string { return fmt.Sprintf("%s%02d%s", tag, len(value), value) }

// crc16 is CRC-16/CCITT-FALSE, as EMVCo requires.
func crc16(data []byte) uint16 {
	crc := uint16(0xFFFF)
	for _, b := range data {
		crc ^= uint16(b) << 8
		for range 8 {
			carry := crc&0x8000 != 0
			crc <<= 1
			if carry {
				crc ^= 0x1021
			}
		}
	}
	return crc
}
