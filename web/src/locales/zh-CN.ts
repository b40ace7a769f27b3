import components from 'antd/es/locale/zh_CN'
import texts from './zh-CN.json'

export default { texts, components }
